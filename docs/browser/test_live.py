"""The model in the browser computes and writes what NumPy does; and bugs that a reader plants."""

import json

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from docs.browser import chromium
from docs.browser.figure import ENTER, Figure, Open, model_of, text_of
from docs.browser.test_attention import Explorer
from docs.browser.test_next_tokens import Table
from docs.browser.test_trace import Trace
from docs.extensions.live import bugs
from shared.commands.next_tokens import distribution
from shared.config import SampleConfig

TEXT = "Two moons want Ann;"
ROUNDING = {"rtol": 1e-12, "atol": 1e-13}
"""Relative, as the suite allows for logits; and next to nothing where a value is 0."""


class Box(Figure):
    name = "box"

    def write(self, text: str) -> str:
        """What the model writes after a text, once it has ended."""
        self.run(ENTER, self.find("textarea"), text)
        ended = "return arguments[0].dataset.state"
        WebDriverWait(self.driver, 60).until(lambda _: self.run(ended, self.place) == "done")
        return text_of(self.find(".written"))


@pytest.fixture
def box(open_page: Open) -> Box:
    return Box(open_page("index"))


@pytest.fixture
def trace(open_page: Open) -> Trace:
    return Trace(open_page("trace"))


def test_the_box_writes_bit_by_bit(box: Box) -> None:
    now = f"{ENTER}; return document.querySelector('.written').textContent"
    first = box.run(now, box.find("textarea"), TEXT)
    assert 0 < len(first) < 300
    assert box.write(TEXT).startswith(first)


def test_what_was_typed_is_forgotten_with_the_page(box: Box) -> None:
    """Otherwise the browser would fill it in again, beside a figure that starts over."""
    box.write(TEXT)
    box.driver.get("about:blank")
    box.driver.back()
    again = Box(box.driver)
    assert again.find("textarea").get_property("value") == text_of(again.find("pre b"))


@pytest.mark.parametrize("temperature", [0, 1.5])
def test_the_box_writes_what_numpy_writes(box: Box, temperature: float) -> None:
    """Also past the window."""
    chromium.emulate(box.driver, {"prefers-reduced-motion": "reduce"})  # all at once
    model, encode, vocabulary = model_of(box.driver)
    box.run(ENTER, box.find("input[name=temperature]"), temperature)
    sampling = SampleConfig(max_new_tokens=300, temperature=temperature, seed=9)
    expected = "".join(vocabulary[token] for token in model.generate(encode(TEXT), sampling))
    assert box.write(TEXT) == expected
    box.click("button")
    assert temperature == 0 or box.write(TEXT) != expected


def test_a_character_that_the_model_does_not_know(box: Box) -> None:
    box.run(ENTER, box.find("textarea"), "Én¿n")
    assert box.find(".note").text == "The model has never seen “É”, “¿”: left out."
    assert text_of(box.find("pre b")) == "nn"
    box.run(ENTER, box.find("textarea"), "")
    assert box.find(".note").text == "Type something."
    assert not text_of(box.find("pre"))


def test_the_trace_of_the_readers_own_text(trace: Trace) -> None:
    model, encode, _ = model_of(trace.driver)
    trace.run(ENTER, trace.find("textarea"), TEXT)
    for tap, expected in model.trace(encode(TEXT)[None]).items():
        trace.choose(tap)
        assert f"= [{', '.join(map(str, expected.shape))}]" in trace.find(".said").text
        (row,) = trace.all("tbody tr")
        shown = [float(text_of(cell)) for cell in row.find_elements(By.TAG_NAME, "td")[:3]]
        truth = [expected.min(), expected.max(), expected.mean()]
        np.testing.assert_allclose(shown, truth, **ROUNDING)
        assert trace.find(".picture").get_attribute("data-backend") == "javascript"
    trace.run(ENTER, trace.find("textarea"), trace.data["text"])
    trace.select(backend="torch")
    trace.choose("embed")
    trace.expect("embed", "torch")


@pytest.mark.parametrize("bug", bugs())
def test_a_bug_is_seen_where_it_begins(trace: Trace, bug: str) -> None:
    """Every value before it is right, and most of what follows is not."""
    trace.select(bug=bug)
    begins, names = bugs()[bug]["begins"], list(trace.taps)
    verdict = trace.find(".verdict")
    assert verdict.get_attribute("data-begins") == begins
    assert bugs()[bug]["story"] in verdict.text
    wrong = [button.get_attribute("data-tap") for button in trace.all(".tap.wrong")]
    assert wrong == [name for name in names if name in wrong], "in the order of the diagram"
    if begins:
        assert trace.chosen() == wrong[:1] == [begins]
        assert wrong[-1] == "probs"
    else:
        assert not wrong
        told = "return arguments[0].dataset.told"
        WebDriverWait(trace.driver, 30).until(lambda _: trace.run(told, verdict) == bug)
        written = [text_of(code) for code in verdict.find_elements(By.TAG_NAME, "code")][2:4]
        assert written[0] != written[1]
        assert "Only writing shows the bug." in verdict.text
    trace.select(bug="")
    assert not trace.all(".tap.wrong")
    assert not verdict.is_displayed()


def test_where_the_heads_look_in_the_readers_own_sentence(open_page: Open) -> None:
    explorer = Explorer(open_page("pages/04-heads"))
    model, encode, _ = model_of(explorer.driver)
    explorer.run(ENTER, explorer.find("textarea"), TEXT)
    explorer.select(layer=1, head=2)
    weights = model.trace(encode(TEXT)[None])["h.1.attn.weights"][0, 2]
    shown = [float(cell.get_attribute("data-weight")) for cell in explorer.all(".token")]
    np.testing.assert_allclose(shown, weights[-1], **ROUNDING)
    explorer.run(ENTER, explorer.find("textarea"), "")
    assert len(explorer.all(".token")) == len(explorer.data["sentences"][0]["tokens"])


def test_what_may_follow_the_readers_own_prompt(open_page: Open) -> None:
    table = Table(open_page("pages/13-sampling-and-the-kv-cache"))
    model, encode, _ = model_of(table.driver)
    table.choose(0, config := SampleConfig(temperature=0.5, top_k=5, seed=2))
    table.run(ENTER, table.find("textarea"), TEXT)
    logits = model.logits(encode(TEXT)[None])[0, -1]
    likeliest = np.sort(distribution(logits, config))[::-1]
    np.testing.assert_allclose(table.numbers_of("p")[:5], likeliest[:5], **ROUNDING)
    drawn = next(model.generate(encode(TEXT), config))
    assert table.find(".drawn").get_attribute("data-token") == str(drawn)
    assert f"--prompt {json.dumps(TEXT)}" in table.find(".command").text
