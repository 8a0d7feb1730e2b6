"""The tokenizer lesson: correct numbers, and no hidden losses."""

import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from lessons import tokenizers
from lessons.tokenizers import column, lesson
from shared.errors import TokenizerError
from shared.text.datasets import Dataset, fit_tokenizer
from shared.text.tokenizers import TOKENIZERS, Tokenizer
from tests.command_line import cells_of

TRAIN = "the cat sat, the dog sat. " * 36
VAL = "the zebra sat: naïve cat. " * 4
PETS = Dataset("pets", TRAIN + VAL, len(TRAIN), "", None, "pets: made up")


@pytest.fixture(scope="module")
def fitted() -> dict[str, Tokenizer]:
    return {kind: fit_tokenizer(PETS, kind) for kind in TOKENIZERS}


def parts(fitted: dict[str, Tokenizer], text: str) -> dict[str, str]:
    """The lesson, by tokenizer."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(*lesson(fitted, text), sep="\n", soft_wrap=True)
    _, *paragraphs = re.sub(" +\n", "\n", capture.get()).strip("\n").split("\n\n")
    return {paragraph.partition(":")[0]: paragraph for paragraph in paragraphs}


def test_what_is_lost_is_said(fitted: dict[str, Tokenizer]) -> None:
    shown = parts(fitted, "the Zebra sat 🦓")
    assert list(shown) == ["byte", "char", "word", "bpe"]
    assert "18 tokens, out of 256 different ones" in shown["byte"]
    assert re.search(r"\nt +h +e +␣ .*\n116 +104 +101 +32 ", shown["byte"])
    for kind in ("byte", "bpe"):
        assert shown[kind].endswith("\ndecoded: the same text")
        assert "lost" not in shown[kind]
    assert "refused, for they are not in the dataset: Z 🦓 (left out here)" in shown["char"]
    assert shown["char"].endswith("\ndecoded: the ebra sat")
    assert "unknown, so they are lost: Zebra 🦓\n" in shown["word"]
    assert shown["word"].endswith("\ndecoded: the <unk> sat <unk>")
    with pytest.raises(TokenizerError, match="surrogate"):
        parts(fitted, "a\udcff")


def test_the_measures_of_a_corpus_worked_by_hand(fitted: dict[str, Tokenizer]) -> None:
    """VAL is four times 5 words, 5 spaces and 2 marks; zebra, naïve and : were never seen."""
    survive = 1 - 4 * len("zebra:naïve") / len(VAL)
    measured = {kind: column(PETS, fitted[kind]) for kind in TOKENIZERS}
    word = measured.pop("word")
    assert word["tokens per word"] == f"{4 * 12 / 20:.2f}"
    assert word["unknown words"] == f"{100 * 8 / 20:.2f} %"
    assert word["characters that survive"] == f"{100 * survive:.2f} %"
    assert word["bytes per token"] == f"{(len(VAL.encode()) - len('the')) / (4 * 12 - 1):.2f}"
    for other in measured.values():
        assert (other["unknown words"], other["characters that survive"]) == ("none", "all")


def test_the_command_shows_both(tmp_path, capsys):
    (tmp_path / "pets").write_text(TRAIN[: 9 * len(VAL)] + VAL)
    assert tokenizers.main(["--dataset", str(tmp_path / "pets"), "--text", "[b]the cat"]) == 0
    out = capsys.readouterr().out
    assert "The text: [b]the cat\n" in out
    assert max(map(cell_len, out.partition("The corpus")[2].splitlines())) <= 80
    cells = {row[0]: row[1:] for row in cells_of(out)}
    assert cells["unknown words"] == ["none", "none", "40.00 %", "none"]
    assert cells["characters that survive"][:2] == ["all", "all"]
