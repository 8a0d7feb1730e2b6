"""The trace page: its measurements, the diagram, and the lines of code."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from bs4 import BeautifulSoup

from docs.extensions.code.architecture import Architecture
from docs.extensions.code.excerpts import ExcerptError
from docs.extensions.trace import tap_lines
from docs.producers import profile, trace
from lessons.walk import kind_of
from shared.checkpoints.checkpoint import Checkpoint
from shared.config import GPTConfig
from shared.layout import init_weights
from shared.protocol import BACKENDS
from shared.sources import ROOT
from shared.taps import tap_names

GPT2 = GPTConfig(vocab_size=11, block_size=8, n_layer=2, n_head=2, n_embd=8, tie_weights=True)
POST = replace(GPT2, n_layer=1, activation="relu", norm="post", position="sinusoidal")
IDS = np.array([3, 1, 4, 1, 5])


@pytest.mark.parametrize("config", [GPT2, POST], ids=["pre", "post"])
def test_every_tap_is_described_and_its_letters_are_its_shape(config: GPTConfig) -> None:
    checkpoint = Checkpoint(config, init_weights(config, 0), "float32", None, None, None)
    traces = {name: trace.trace_of(name, checkpoint, IDS) for name in BACKENDS}
    taps = trace.describe(config, traces)
    assert list(taps) == tap_names(config)
    inside = {"H": config.n_head, "D": config.head_size, "F": config.inner_size}
    sizes = {"B": 1, "T": len(IDS), "C": config.n_embd, **inside, "V": config.vocab_size}
    for name, tap in taps.items():
        assert [sizes[letter] for letter in tap["letters"]] == tap["shape"], name
        assert tap["shape"] == list(traces["numpy"][name].shape)
        assert tap["sentence"]
        for backend, value in ((backend, traces[backend][name]) for backend in BACKENDS):
            assert tap["backends"][backend]["max"] == value.max()
            assert tap["backends"][backend]["apart"]["relative"] <= 1e-12
            shown = tap["values"][backend]
            shown = tap["values"][shown] if isinstance(shown, str) else shown
            np.testing.assert_allclose(shown, value.ravel(), rtol=1e-4, atol=1e-14)


@pytest.mark.parametrize("config", [GPT2, replace(POST, norm="pre", tie_weights=False)], ids=str)
def test_the_diagram_has_a_button_for_every_tap_and_none_covers_another(config: GPTConfig) -> None:
    names = {tap: f"{tap} of the model" for tap in tap_names(config)}
    page = BeautifulSoup(str(Architecture(config, names)), "html.parser")
    buttons = page.find_all("button")
    assert [button["data-tap"] for button in buttons] == tap_names(config)
    assert [button["aria-label"] for button in buttons] == list(names.values())
    assert len(page.svg.find_all("circle")) == 2 * config.n_layer, "a sum for each residual"
    words = page.get_text(" ")
    assert ("wpe" in words) == (config.position == "learned")
    assert ("wteᵀ" in words) == config.tie_weights
    assert config.activation in words

    def place(element) -> dict[str, float]:
        return {k: float(v) for k, v in re.findall(r"(\w+):([\d.]+)em", element["style"])}

    whole, boxes = place(page.div), [place(box) for box in page.select("button, .part")]
    axes = (("left", "width"), ("top", "height"))
    for along, size in axes:
        assert all(0 <= box[along] <= box[along] + box[size] <= whole[size] for box in boxes)
    for one, other in combinations(boxes, 2):
        assert any(
            one[along] + one[size] <= other[along] or other[along] + other[size] <= one[along]
            for along, size in axes
        )


COMPUTED = {
    **{name: f'tap("{name}", ' for name in ("embed", "q", "k", "v", "scores", "weights", "y")},
    **{"h": "= block(", "fc": "self.c_fc(", "act": "self.activation(", "logits": "return "},
    "probs": "softmax(",
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_lines_of_a_tap_compute_it(backend: str) -> None:
    for kind in dict.fromkeys(map(kind_of, tap_names(GPT2))):
        excerpt = tap_lines(backend, kind)
        source = (ROOT / excerpt.path).read_text(encoding="utf-8").splitlines()
        name = kind.rpartition(".")[2]
        assert COMPUTED.get(name, f"self.{name}(") in "".join(line.text for line in excerpt.lines)
        for line in excerpt.lines:
            assert source[line.number - 1].strip() == line.text


def test_lines_come_with_those_that_they_change() -> None:
    def texts(backend: str, kind: str) -> list[str]:
        return [line.text.partition("  #")[0] for line in tap_lines(backend, kind).lines]

    assert texts("torch", "attn.y") == ["y = kept @ v", 'y = self.tap("y", merge_heads(y))']
    assert texts("jax", "logits")[0].startswith("return self.wte.attend(x)")
    assert len(texts("numpy", "mlp.act")) == 1, "fc is a value of its own"
    assert texts("numpy", "ln_1") == ["x = x + self.attn(self.ln_1(x), cache)"]
    with pytest.raises(ExcerptError, match="computes 'gate' 0 times"):
        tap_lines("numpy", "mlp.gate")


def test_parts_of_a_step_are_drawn_and_told() -> None:
    parts = {"linear layers": 0.012, "attention": 0.004, "the rest": 0.0}
    found = {"parts": parts, "activations": 34 * 2**20}
    drawing = profile.draw({"numpy": found, "torch@compile": found})
    said = "numpy: linear layers 12.0, attention 4.0; 34 MiB of activations."
    assert said in drawing.alt
    assert "torch@compile" in drawing.svg
