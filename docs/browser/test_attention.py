"""The attention explorer shows its numbers, by mouse and by keyboard."""

from typing import Any

import pytest
from selenium.webdriver import Keys

from docs.browser.chromium import script
from docs.browser.figure import Figure, Open, point_at
from docs.extensions.directive import BACKENDS

CHOICES = [(0, 0, 0, "numpy"), (1, 1, 2, "torch"), (3, 0, 3, "jax"), (2, 1, 1, "numpy")]
"""Sentence, layer, head and backend."""


class Explorer(Figure):
    name = "attention"

    def weights(self, sentence: int, layer: int, head: int, backend: str) -> Any:
        return self.data["sentences"][sentence]["weights"][backend][layer][head]

    def expect(self, row: list[float]) -> None:
        """Check that this row of weights is shown, as numbers, shades and words."""
        shown = self.run(script("shares"))
        for (exact, share, opacity), weight in zip(shown, row, strict=False):
            assert float(exact) == weight
            assert opacity == pytest.approx(weight**0.5, abs=1e-3)
            digits = 0.051 if "." in share else 0.51
            assert float(share.replace("<0.1", "0")) == pytest.approx(100 * weight, abs=digits)
        assert shown[len(row) :] == [["", "–", 0.0]] * (len(shown) - len(row))
        best = max(range(len(row)), key=row.__getitem__)
        assert f"” at {best} (" in self.find(".said").text.split(",")[2]


@pytest.fixture
def explorer(open_page: Open) -> Explorer:
    return Explorer(open_page("pages/04-heads"))


@pytest.mark.parametrize(("sentence", "layer", "head", "backend"), CHOICES)
def test_what_is_chosen_is_shown(
    explorer: Explorer, sentence: int, layer: int, head: int, backend: str
) -> None:
    explorer.select(sentence=sentence, layer=layer, head=head, backend=backend)
    rows = explorer.weights(sentence, layer, head, backend)
    for token in (len(rows) - 1, 4, 0):
        point_at(explorer.driver, explorer.all(".token")[token])
        explorer.expect(rows[token])
    weights, shades = zip(*explorer.run(script("squares")), strict=True)
    assert list(weights) == [weight for row in rows for weight in row]
    assert list(shades) == pytest.approx([weight**0.5 for weight in weights], abs=1e-3)
    label = explorer.find("svg").get_attribute("aria-label")
    assert f"layer {layer}, head {head}, by {BACKENDS[backend]}" in label
    expected = explorer.data["sentences"][sentence]["apart"][layer][head]
    said = explorer.find(".apart")
    assert float(said.get_attribute("data-largest")) == expected["largest"]
    if expected["largest"]:
        assert " and ".join(BACKENDS[backend] for backend in expected["pair"]) in said.text
    else:
        assert "not one bit differs" in said.text


def test_the_arrow_keys_go_from_token_to_token(explorer: Explorer) -> None:
    rows = explorer.weights(0, 0, 0, "numpy")
    last = len(rows) - 1
    explorer.press(start="select[name=backend]")
    for keys, token in [
        ([Keys.TAB], last),  # one tab stop for all tokens: the one shown last
        ([Keys.ARROW_LEFT, Keys.ARROW_LEFT], last - 2),
        ([Keys.HOME], 0),
        ([Keys.ARROW_LEFT], 0),
        ([Keys.ARROW_RIGHT], 1),
        ([Keys.END], last),
    ]:
        explorer.press(*keys)
        explorer.expect(rows[token])
    explorer.press(Keys.TAB)
    assert not explorer.all(".token:focus")


def test_a_row_of_the_map_can_be_pointed_at(explorer: Explorer) -> None:
    point_at(explorer.driver, explorer.all("svg rect[data-weight]")[5 * 6 // 2 + 2])
    explorer.expect(explorer.weights(0, 0, 0, "numpy")[5])
