"""The three backends write the same text, at their own speeds."""

import json
import time
from bisect import bisect_right
from collections.abc import Callable

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from docs.browser import chromium

FASTER = """
const slow = window.requestAnimationFrame;
window.requestAnimationFrame = (then) => slow((now) => then(20 * now));
"""
"""Speed up the clock of the typing, so that the tests do not wait."""


class Typists:
    """The interactive figure on an open page."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.place = driver.find_element(By.CSS_SELECTOR, '[data-play="typed"]')
        numbers = driver.find_element(By.ID, "data-typed").get_attribute("textContent")
        self.data = json.loads(numbers or "")

    @property
    def button(self) -> WebElement:
        return self.place.find_element(By.CSS_SELECTOR, "button")

    def press(self) -> None:
        self.driver.execute_script("arguments[0].click()", self.button)

    def written(self) -> list[str]:
        """The visible part of each text."""
        found = self.place.find_elements(By.CSS_SELECTOR, ".written")
        return [span.get_attribute("textContent") or "" for span in found]

    def all_written(self) -> bool:
        return self.written() == [backend["text"] for backend in self.data["backends"].values()]

    def expected(self) -> list[str]:
        """The parts that should be visible at the time shown by the stopped page."""
        elapsed = float(self.place.get_attribute("data-elapsed") or "nan")
        backends = self.data["backends"].values()
        return [backend["text"][: bisect_right(backend["at"], elapsed)] for backend in backends]


@pytest.fixture
def typists(open_page: Callable[..., Chrome]) -> Typists:
    return Typists(open_page("pages/13-sampling-and-the-kv-cache"))


def test_three_wrote_the_same(typists: Typists) -> None:
    texts = [backend["text"] for backend in typists.data["backends"].values()]
    assert len(texts) == 3
    assert len(set(texts)) == 1
    assert typists.all_written()  # before the start, and on paper
    assert f"wrote the same {len(texts[0])} characters" in typists.place.text
    for backend, pane in zip(
        typists.data["backends"].values(),
        typists.place.find_elements(By.CSS_SELECTOR, ".pane"),
        strict=True,
    ):
        assert f"{round(backend['tokens_per_second']):,} tokens/s" in pane.text
        assert typists.data["prompt"] in (pane.get_attribute("textContent") or "")
    assert f"{typists.data['slowed']:g} times as slow" in typists.place.text


def test_characters_appear_when_they_were_there(typists: Typists) -> None:
    began = time.monotonic()
    typists.press()
    assert typists.button.text == "Pause"
    time.sleep(1)
    typists.press()
    assert typists.button.text == "Go on"
    shown = float(typists.place.get_attribute("data-elapsed") or "nan") * typists.data["slowed"]
    assert 0.5 < shown < time.monotonic() - began
    first = typists.written()
    assert first == typists.expected()
    assert all(first)
    assert not typists.all_written()
    time.sleep(0.2)
    assert typists.written() == first  # it stands still
    typists.press()
    time.sleep(0.5)
    typists.press()
    assert typists.written() == typists.expected()
    assert [len(text) for text in typists.written()] > [len(text) for text in first]


def test_it_comes_to_an_end_and_begins_again(typists: Typists) -> None:
    typists.driver.execute_script(FASTER)
    typists.press()
    WebDriverWait(typists.driver, 10).until(lambda _: typists.button.text == "Again")
    assert typists.all_written()
    typists.press()
    assert not typists.all_written()
    assert typists.button.text == "Pause"


def test_who_wants_less_motion_sees_the_whole_text(typists: Typists) -> None:
    chromium.emulate(typists.driver, {"prefers-reduced-motion": "reduce"})
    typists.press()
    assert typists.all_written()
    assert typists.button.text == "Again"
