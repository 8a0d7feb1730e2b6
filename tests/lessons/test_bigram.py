"""The bigram baseline's command line."""

import math
import re

import numpy as np
import pytest

from lessons.bigram import frequencies, log_frequencies, main, mean_loss
from shared.protocol import load_backend
from shared.text.tokenizers import build_tokenizer
from tests.command_line import TEXT

LOSS = re.compile(r"(\d\.\d{4})(?: +([+-]\d\.\d{4}))?")


def lesson(capsys, *options: str) -> tuple[str, list[list[tuple[float, float]]]]:
    """The output, and from each line of its table twice (loss, difference)."""
    assert main(["--backend", "numpy", *options]) == 0
    out = capsys.readouterr().out
    lines = out.partition("\n\n")[0].splitlines()[2:]
    return out, [[(float(loss), float(d or 0)) for loss, d in LOSS.findall(line)] for line in lines]


def numpy_counts(ids: np.ndarray) -> np.ndarray:
    return load_backend("numpy").count_bigrams(ids, len(set(TEXT)))


def test_training_approaches_counting(text: str, capsys) -> None:
    """In NumPy; conformance/model/test_bigram.py compares the backends."""
    options = ["--dataset", text, "--steps", "100", "--batch-size", "4"]
    _, (guessing, counted, *trained) = lesson(capsys, *options)
    ids = build_tokenizer("char", TEXT).encode(TEXT)
    counts = numpy_counts(ids[: 9 * len(ids) // 10])
    with np.errstate(divide="ignore"):
        expected = mean_loss(np.log(frequencies(counts)), counts)
    smooth = mean_loss(log_frequencies(counts), numpy_counts(ids[9 * len(ids) // 10 :]))
    assert [loss for loss, _ in counted] == pytest.approx([expected, smooth], abs=1e-4)
    assert [loss for loss, _ in guessing] == pytest.approx([math.log(len(set(TEXT)))] * 2, abs=1e-4)
    gaps = [training[1] for training, _ in trained]
    assert len(gaps) == 10
    assert min(gaps) >= 0  # on the text that was counted, no table is better than the counts
    assert gaps[0] > 0.2
    assert gaps[-1] < 0.05
    for row in (guessing, *trained):  # every difference is to the line "counted"
        for (loss, difference), (exact, _) in zip(row, counted, strict=True):
            assert difference == pytest.approx(loss - exact, abs=1.01e-4)


def test_rows_to_check_and_a_text_are_shown(text: str, capsys) -> None:
    out, _ = lesson(capsys, "--dataset", text, "--steps", "200", "--batch-size", "16")
    rows = re.findall(r'after "(.+)" comes "(.+)" +counted (\S+) +trained (\S+)', out)
    counted_part = TEXT[: 9 * len(TEXT) // 10].replace(" ", "␣").replace("\n", "¶")
    assert {a for a, *_ in rows} >= set("␣th")  # the most common ones
    for a, b, counted, trained in rows:
        followed = len(re.findall(f"{re.escape(a)}(?=.)", counted_part))
        share = counted_part.count(a + b) / followed
        assert float(counted) == pytest.approx(share, abs=5e-4)
        assert float(trained) == pytest.approx(share, abs=0.02)
    written = out.partition("100 characters:\n\n")[2].removesuffix("\n")
    assert len(written) == 100
    pairs = {TEXT[i : i + 2] for i in range(len(TEXT))}
    assert all(written[i : i + 2] in pairs for i in range(99))


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
