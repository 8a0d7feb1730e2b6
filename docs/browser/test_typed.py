"""The three backends write the same text, at their own speeds."""

import time
from bisect import bisect_right

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from docs.browser import chromium
from docs.browser.figure import Figure, Open, text_of


class Typists(Figure):
    name = "typed"

    def __init__(self, driver: Chrome) -> None:
        super().__init__(driver)
        self.backends = list(self.data["backends"].values())
        self.whole = [backend["text"] for backend in self.backends]

    def press_button(self) -> str:
        """Returns its new label."""
        self.click("button")
        return self.find("button").text

    def written(self) -> list[str]:
        """The visible part of each text."""
        return [text_of(span) for span in self.all(".written")]

    def expect_what_was_there(self) -> None:
        """Check that the text visible is what was written by the time at which the page stopped."""
        now = float(self.place.get_attribute("data-elapsed"))
        parts = [backend["text"][: bisect_right(backend["at"], now)] for backend in self.backends]
        assert self.written() == parts


@pytest.fixture
def typists(open_page: Open) -> Typists:
    return Typists(open_page("pages/13-sampling-and-the-kv-cache"))


def test_three_wrote_the_same(typists: Typists) -> None:
    assert len(typists.whole) == 3
    assert len(set(typists.whole)) == 1
    assert typists.written() == typists.whole  # before the start, and on paper
    assert f"wrote the same {len(typists.whole[0])} characters" in typists.place.text
    for backend, pane in zip(typists.backends, typists.all(".pane"), strict=True):
        assert f"{round(backend['tokens_per_second']):,} tokens/s" in pane.text
    assert f"{typists.data['slowed']:g} times as slow" in typists.place.text


def test_characters_appear_when_they_were_there(typists: Typists) -> None:
    assert typists.press_button() == "Pause"
    time.sleep(1)
    assert typists.press_button() == "Go on"
    typists.expect_what_was_there()
    first = typists.written()
    assert all(first)
    assert first != typists.whole
    time.sleep(0.2)
    assert typists.written() == first  # the text has stopped
    typists.press_button()
    time.sleep(0.5)
    typists.press_button()
    typists.expect_what_was_there()
    assert [len(text) for text in typists.written()] > [len(text) for text in first]


def test_it_comes_to_an_end_and_begins_again(typists: Typists) -> None:
    typists.run(chromium.script("faster"))
    typists.press_button()
    button = typists.find("button")
    WebDriverWait(typists.driver, 10).until(lambda _: button.text == "Again")
    assert typists.written() == typists.whole
    typists.click("button")
    assert typists.written() != typists.whole


def test_who_wants_less_motion_sees_the_whole_text(typists: Typists) -> None:
    chromium.emulate(typists.driver, {"prefers-reduced-motion": "reduce"})
    typists.press_button()
    assert typists.written() == typists.whole
