"""The attention explorer shows its numbers, by mouse and by keyboard."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

BACKENDS = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX"}
CHOICES = [(0, 0, 0, "numpy"), (1, 1, 2, "torch"), (3, 0, 3, "jax"), (2, 1, 1, "numpy")]
"""Sentence, layer, head and backend."""
SHOWN = """
return [...arguments[0].querySelectorAll(".token")].map((token) => [
  token.dataset.weight, token.querySelector(".share").textContent,
  getComputedStyle(token.querySelector(".shade")).opacity]);
"""
DRAWN = """
return [...arguments[0].querySelectorAll("svg rect[data-weight]")].map((square) => [
  square.dataset.weight, getComputedStyle(square).fillOpacity]);
"""
"""In one call: asking the browser for each number takes seconds."""

CHANGE_TORCH = """
document.addEventListener("readystatechange", () => {
  if (document.readyState !== "interactive") return;
  const numbers = document.getElementById("data-attention");
  const data = JSON.parse(numbers.textContent);
  data.sentences[0].weights.torch[0][0][3] = [0.1, 0.7, 0.15, 0.05];
  numbers.textContent = JSON.stringify(data);
});
"""


class Explorer:
    """The interactive figure on an open page."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.place = driver.find_element(By.CSS_SELECTOR, '[data-play="attention"]')
        numbers = driver.find_element(By.ID, "data-attention").get_attribute("textContent")
        self.data = json.loads(numbers or "")

    def choose(self, **chosen: object) -> None:
        for name, value in chosen.items():
            Select(self.find(f"select[name={name}]")).select_by_value(str(value))

    def find(self, selector: str) -> WebElement:
        return self.place.find_element(By.CSS_SELECTOR, selector)

    def tokens(self) -> list[WebElement]:
        return self.place.find_elements(By.CSS_SELECTOR, ".token")

    def point_at(self, token: int) -> None:
        ActionChains(self.driver).move_to_element(self.tokens()[token]).perform()

    def shown(self) -> list[tuple[str, str, float]]:
        """For every token its weight, the percentage below it, and the opacity of its shade."""
        found = self.driver.execute_script(SHOWN, self.place)
        return [(weight, share, float(opacity)) for weight, share, opacity in found]

    def weights(self, sentence: int, layer: int, head: int, backend: str) -> Any:
        return self.data["sentences"][sentence]["weights"][backend][layer][head]

    def expect(self, row: list[float]) -> None:
        """Check that this row of weights is shown, as numbers, shades and words."""
        shown = self.shown()
        for (exact, share, opacity), weight in zip(shown, row, strict=False):
            assert float(exact) == weight
            assert opacity == pytest.approx(weight**0.5, abs=1e-3)
            if share == "<0.1":
                assert weight < 5e-4
            else:
                digits = 0.051 if "." in share else 0.51
                assert float(share) == pytest.approx(100 * weight, abs=digits)
        assert shown[len(row) :] == [("", "–", 0.0)] * (len(shown) - len(row))
        best = max(range(len(row)), key=row.__getitem__)
        assert f"” at {best} (" in self.find(".said").text.split(",")[2]


@pytest.fixture
def explorer(open_page: Callable[..., Chrome]) -> Explorer:
    return Explorer(open_page("pages/04-heads"))


@pytest.mark.parametrize(("sentence", "layer", "head", "backend"), CHOICES)
def test_what_is_chosen_is_shown(
    explorer: Explorer, sentence: int, layer: int, head: int, backend: str
) -> None:
    explorer.choose(sentence=sentence, layer=layer, head=head, backend=backend)
    rows = explorer.weights(sentence, layer, head, backend)
    for token in (len(rows) - 1, 4, 0):
        explorer.point_at(token)
        explorer.expect(rows[token])
    drawn = explorer.driver.execute_script(DRAWN, explorer.place)
    weights = [weight for row in rows for weight in row]
    assert [float(weight) for weight, _ in drawn] == weights
    shades = [float(opacity) for _, opacity in drawn]
    assert shades == pytest.approx([weight**0.5 for weight in weights], abs=1e-3)
    label = explorer.find("svg").get_attribute("aria-label") or ""
    assert f"layer {layer}, head {head}, by {BACKENDS[backend]}" in label


def test_every_backend_has_numbers_of_its_own(open_page: Callable[..., Chrome]) -> None:
    """The digits that are shown are equal in all backends, so this test changes one value."""
    driver = open_page("index")
    identifier = driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": CHANGE_TORCH}
    )
    try:
        explorer = Explorer(open_page("pages/04-heads"))
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", identifier)
    explorer.point_at(3)
    shown = {}
    for backend in BACKENDS:
        explorer.choose(backend=backend)
        shown[backend] = explorer.shown()
        explorer.expect(explorer.weights(0, 0, 0, backend)[3])
    assert shown["numpy"] == shown["jax"] != shown["torch"]


def test_the_difference_of_the_backends_is_the_measured_one(explorer: Explorer) -> None:
    for sentence, layer, head, _ in CHOICES:
        explorer.choose(sentence=sentence, layer=layer, head=head)
        expected = explorer.data["sentences"][sentence]["apart"][layer][head]
        said = explorer.find(".apart")
        assert float(said.get_attribute("data-largest") or "nan") == expected["largest"]
        if expected["largest"]:
            shown = re.search(r"is (\S+) \((\w+) and (\w+)\)", said.text)
            assert shown is not None
            assert float(shown[1]) == pytest.approx(expected["largest"], rel=0.06)
            assert [shown[2], shown[3]] == [BACKENDS[backend] for backend in expected["pair"]]
        else:
            assert "not one bit differs" in said.text


def test_the_arrow_keys_go_from_token_to_token(explorer: Explorer) -> None:
    rows = explorer.weights(0, 0, 0, "numpy")
    last = len(rows) - 1
    explorer.driver.execute_script("arguments[0].focus()", explorer.find("select[name=backend]"))

    def press(*keys: str) -> None:
        ActionChains(explorer.driver).send_keys(*keys).perform()

    press(Keys.TAB)  # one tab stop for all tokens: the one shown last
    explorer.expect(rows[last])
    press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    explorer.expect(rows[last - 2])
    press(Keys.HOME)
    explorer.expect(rows[0])
    press(Keys.ARROW_LEFT)
    explorer.expect(rows[0])
    press(Keys.ARROW_RIGHT)
    explorer.expect(rows[1])
    press(Keys.END)
    explorer.expect(rows[last])
    press(Keys.TAB)
    focused = explorer.driver.switch_to.active_element
    assert "token" not in (focused.get_attribute("class") or "").split()


def test_a_row_of_the_map_can_be_pointed_at(explorer: Explorer) -> None:
    square = explorer.place.find_elements(By.CSS_SELECTOR, "svg rect[data-weight]")[5 * 6 // 2 + 2]
    explorer.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", square)
    ActionChains(explorer.driver).move_to_element(square).perform()
    explorer.expect(explorer.weights(0, 0, 0, "numpy")[5])
