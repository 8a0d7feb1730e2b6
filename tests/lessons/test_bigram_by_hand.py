"""The bigram lesson against values worked by hand."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conformance.truths.by_definition import BATCHES, SAMPLES, dice, philox, same_bits
from lessons import bigram
from lessons.bigram import draw, frequencies, log_frequencies, mean_loss
from shared.commands.options import DataOptions
from shared.config import TrainConfig
from shared.text.tokenizers import build_tokenizer

TEXT = "to be, or not to be\n" * 10


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "text").write_text(TEXT)
    return str(tmp_path / "text")


def test_bigram_tables() -> None:
    """Counts, the frequencies that follow from them, and the loss of a table, in nats."""
    counts = np.array([[2, 1, 1], [0, 0, 0], [0, 3, 0]])
    third = [1 / 3] * 3
    assert frequencies(counts).tolist() == [[0.5, 0.25, 0.25], third, [0, 1, 0]]
    plus_one = np.exp(log_frequencies(counts))
    expected = [[3 / 7, 2 / 7, 2 / 7], third, [1 / 6, 4 / 6, 1 / 6]]
    np.testing.assert_allclose(plus_one, expected, rtol=1e-14)
    with np.errstate(divide="ignore"):
        exact = mean_loss(np.log(frequencies(counts)), counts)
    assert exact == pytest.approx((2 * math.log(2) + 2 * math.log(4)) / 7, rel=1e-14)
    assert mean_loss(np.full((3, 3), 800.0), counts) == pytest.approx(math.log(3), rel=1e-14)
    scores = np.log([[1.0, 2, 5], [1, 1, 1], [3, 1, 4]])
    true = -(2 * math.log(1 / 8) + math.log(2 / 8) + math.log(5 / 8) + 3 * math.log(1 / 8)) / 7
    assert mean_loss(scores, counts) == pytest.approx(true, rel=1e-14)


def test_bigram_texts() -> None:
    """Every token is where its position's uniform falls in the row of the one before."""
    p, token = np.array([[0.25, 0.5, 0.25], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]]), 0
    ids = draw(p, first=0, count=40, seed=7)
    expected = [0]
    for position in range(1, 41):
        u = philox(7, SAMPLES, position, 1)[0]
        token = int((u >= np.cumsum(p[token])).sum())
        expected.append(token)
    assert ids == expected


def test_the_bigram_lesson(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trained from zeros on batches of its own, without decay or clipping, down to a hundredth."""
    given: list[Any] = []

    def train(table: np.ndarray, config: TrainConfig) -> SimpleNamespace:
        given.append((table, config))
        step = lambda *both: given.append(both)  # noqa: E731
        return SimpleNamespace(step=step, table=lambda: np.zeros((9, 9)))

    def count(ids: np.ndarray, size: int) -> np.ndarray:
        return np.histogram2d(ids[:-1], ids[1:], bins=np.arange(size + 1))[0].astype(int)

    room = SimpleNamespace(bigram=train, count_bigrams=count)
    monkeypatch.setattr(bigram, "load_backend", lambda _: room)
    line = ["--dataset", text, "--steps", "23", "--batch-size", "5", "--seed", "8"]
    assert bigram.main([*line, "--learning-rate", "0.2"]) == 0
    (table, config), *batches = given
    same_bits(table, np.zeros((9, 9)), "the first table")
    schedule = TrainConfig(23, 5, "adamw", 0.2, 0.002, "cosine", 0)
    assert config == replace(schedule, weight_decay=0.0, grad_clip=0.0, seed=8)
    assert len(batches) == 23
    ids = build_tokenizer("char", TEXT).encode(TEXT)[:180]
    for step, (tokens, targets) in enumerate(batches):
        starts = dice(8, BATCHES, step).integers(0, 180 - 64, size=5)
        assert tokens.tolist() == [ids[start : start + 64].tolist() for start in starts]
        assert targets.tolist() == [ids[start + 1 : start + 65].tolist() for start in starts]
    counts, val = count(ids, 9), count(build_tokenizer("char", TEXT).encode(TEXT)[180:], 9)
    exact = -(counts * np.log(np.maximum(counts, 1) / counts.sum(axis=1, keepdims=True))).sum()
    smooth = -(val * np.log((counts + 1) / (counts.sum(axis=1, keepdims=True) + 9))).sum()
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2][3::2] == ["2.1972"] * 2  # ln 9
    assert lines[3] == ["counted", f"{exact / 179:.4f}", f"{smooth / 19:.4f}"]
    shown = [int(line[1]) for line in lines if line[:1] == ["trained,"]]
    assert shown == [*range(2, 23, 2), 23]
    assert bigram.Options(DataOptions()) == bigram.Options(
        DataOptions("auto", "char", None), "numpy", 500, 64, 0.1, 1337
    )


def test_an_interval_has_its_lower_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for u, token in ((0.5, 1), (0.0, 0)):
        monkeypatch.setattr(bigram, "uniform", lambda *_, u=u: u)
        assert draw(np.full((2, 2), 0.5), first=0, count=1, seed=1) == [0, token]
