"""The bigram baseline's command line, in the three rooms."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from lessons import bigram
from lessons.bigram import main, mean_loss
from shared.config import TrainConfig
from shared.protocol import BACKENDS, load_backend
from tests.command_line import TEXT, error_of

pytestmark = pytest.mark.usefixtures("empty_directory")

LOSS = re.compile(r"(\d\.\d{4})(?: +([+-]\d\.\d{4}))?")


def lesson(capsys, backend: str, *options: str) -> tuple[str, list[list[tuple[float, float]]]]:
    """What the command prints, and of each line of its table twice (loss, difference)."""
    assert main(["--backend", backend, *options]) == 0
    out = capsys.readouterr().out
    lines = out.partition("\n\n")[0].splitlines()[2:]
    return out, [[(float(loss), float(d or 0)) for loss, d in LOSS.findall(line)] for line in lines]


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_approaches_counting(backend: str, text: str, capsys) -> None:
    options = ["--dataset", text, "--steps", "100", "--batch-size", "4"]
    _, (guessing, counted, *trained) = lesson(capsys, backend, *options)
    assert [loss for loss, _ in guessing] == pytest.approx([math.log(len(set(TEXT)))] * 2, abs=1e-4)
    gaps = [training[1] for training, _ in trained]
    assert len(gaps) == 10
    assert min(gaps) >= 0  # on the text that was counted, no table is better than the counts
    assert gaps[0] > 0.2
    assert gaps[-1] < 0.05
    for row in (guessing, *trained):  # every difference is to the line "counted"
        for (loss, difference), (exact, _) in zip(row, counted, strict=True):
            assert difference == pytest.approx(loss - exact, abs=1.01e-4)


def test_training_that_does_nothing_is_seen(text: str, capsys) -> None:
    options = ["--dataset", text, "--steps", "10", "--learning-rate", "1e-30"]
    _, (guessing, _, *trained) = lesson(capsys, "numpy", *options)
    assert all(row == guessing for row in trained)


def test_rows_to_check_and_a_text_are_shown(text: str, capsys) -> None:
    out, _ = lesson(capsys, "numpy", "--dataset", text, "--steps", "200", "--batch-size", "16")
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


@pytest.mark.parametrize(("kind", "size"), [("byte", 256), ("word", 16), ("bpe", 300)])
def test_every_tokenizer_has_its_table(kind: str, size: int, text: str, capsys) -> None:
    fixed = [] if kind == "byte" else ["--vocab-size", str(size)]
    options = ["--tokenizer", kind, *fixed, "--dataset", text, "--steps", "2"]
    out, (guessing, *_) = lesson(capsys, "numpy", *options)
    vocabulary = int(re.findall(r"guessing among (\d+)", out)[0])
    assert vocabulary <= size
    assert guessing[0][0] == pytest.approx(math.log(vocabulary), abs=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_counts_give_the_loss_of_a_whole_text(backend: str) -> None:
    ids = np.random.default_rng(0).integers(5, size=300)
    table = np.random.default_rng(1).standard_normal((6, 6))
    room = load_backend(backend)
    expected = room.bigram(table, TrainConfig(), "float64").loss(ids[None, :-1], ids[None, 1:])
    assert mean_loss(table, room.count_bigrams(ids, 6)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        ["--steps", "0"],
        ["--dataset", "nowhere.txt"],
        ["--sheep", "1"],
        ["--learning-rate", "-1"],
        ["--tokenizer", "letters"],
        ["--tokenizer", "bpe", "--vocab-size", "100"],
    ],
)
def test_bad_input(options: list[str], capsys) -> None:
    error_of(capsys, main(options))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_training_that_diverges_says_so_once(backend: str, text: str, capsys) -> None:
    options = ["--dataset", text, "--steps", "20", "--batch-size", "1", "--learning-rate", "1e39"]
    assert main(["--backend", backend, *options]) == 2
    _, error = capsys.readouterr().err.splitlines()
    assert "no longer finite after 2 steps" in error


@pytest.mark.parametrize("content", ["a", "ab", "abcdefghij"])
def test_a_text_without_two_tokens_in_both_parts(content: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "short.txt"
    path.write_text(content, encoding="utf-8")
    assert "is too short" in error_of(capsys, main(["--dataset", str(path)]))


def test_two_tokens_in_both_parts_are_enough(tmp_path: Path, capsys) -> None:
    path = tmp_path / "short.txt"
    path.write_text("ab" * 10, encoding="utf-8")
    _, (_, counted, *trained) = lesson(capsys, "numpy", "--dataset", str(path), "--steps", "20")
    assert counted[0] == (0.0, 0.0)  # b always follows a
    assert trained[-1][0][0] < 0.5


def test_a_table_that_is_too_large_is_refused(
    text: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigram, "LARGEST", 31)  # TEXT has 32 characters
    message = error_of(capsys, main(["--dataset", text]))
    assert "32 × 32" in message
    assert "at most 31" in message
