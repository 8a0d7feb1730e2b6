"""The tokenizer lesson and the showdown: correct numbers, and no hidden losses."""

import math
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from lessons.tokenizers import __main__ as tokenizers
from lessons.tokenizers import showdown as tokenizer_showdown
from lessons.tokenizers.lesson import lesson
from lessons.tokenizers.showdown import Encoded, encode_corpus, explanation, showdown
from shared.config import Preset, TrainConfig
from shared.errors import TokenizerError
from shared.text.datasets import Dataset, fit_tokenizer
from shared.text.tokenizers import TOKENIZERS, Tokenizer

TRAIN = "the cat sat, the dog sat. " * 36
VAL = "the zebra sat: naïve cat. " * 4
PETS = Dataset("pets", TRAIN + VAL, len(TRAIN), "", None, "pets: made up")


@pytest.fixture(scope="module")
def fitted() -> dict[str, Tokenizer]:
    return {kind: fit_tokenizer(PETS, kind) for kind in TOKENIZERS}


@pytest.fixture(scope="module")
def corpora(fitted: dict[str, Tokenizer]) -> dict[str, Encoded]:
    return {kind: encode_corpus(PETS, t, block_size=8) for kind, t in fitted.items()}


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


# The showdown


def test_the_measures_of_a_corpus_worked_by_hand(corpora: dict[str, Encoded]) -> None:
    """VAL is four times 5 words, 5 spaces and 2 marks; zebra, naïve and : were never seen."""
    word = corpora["word"]
    assert word.words == 20
    assert len(word.data.val) == 4 * 12
    assert word.unknown_words == 8
    assert word.covered == 1 - 4 * len("zebra:naïve") / len(VAL)
    assert word.data.val_bytes == len(VAL.encode()) - len("the")
    for kind in ("byte", "char", "bpe"):
        other = corpora[kind]
        assert (other.words, other.unknown_words) == (20, 0)
        assert other.covered == 1


def test_bits_per_byte(corpora: dict[str, Encoded]) -> None:
    """Guessing among 256 bytes costs 8 bits, and the information in a text does not depend on the
    tokens that it is counted in."""
    assert corpora["byte"].bits_per_byte(math.log(256)) == pytest.approx(8)
    nats = 100.0
    for c in corpora.values():
        loss, bits = nats / c.data.val_targets, nats / math.log(2)
        assert c.bits_per_byte(loss) == pytest.approx(bits / c.data.val_bytes)


TINY = Preset(
    "tiny",
    {"block_size": 8, "n_layer": 1, "n_head": 2, "n_embd": 8, "vocab_size": 999},
    TrainConfig(steps=30, batch_size=4, warmup_steps=1, learning_rate=1e-2),
    "bpe",
)


def rows_of(corpora: dict[str, Encoded]) -> dict[str, list[str]]:
    table = showdown(dict.fromkeys(TOKENIZERS, 300), corpora, dict.fromkeys(TOKENIZERS, 2.0))
    rows = zip(*(map(str, column.cells) for column in table.columns), strict=True)
    return {label: cells for label, *cells in rows}


def test_a_number_that_unk_makes_flattering_is_marked(corpora: dict[str, Encoded]) -> None:
    rows = rows_of(corpora)
    assert rows["unknown words"] == ["none", "none", "40.00 %", "none"]
    assert rows["characters that survive"][:2] == ["all", "all"]
    bits = {kind: f"{c.bits_per_byte(2.0):.4f}" for kind, c in corpora.items()}
    assert rows["bits per byte"] == [bits["byte"], bits["char"], bits["word"] + "*", bits["bpe"]]
    (note,) = (p for p in explanation(corpora, TINY) if p.startswith("*"))
    assert "Flattering" in note


def test_where_no_word_is_unknown_nothing_is_marked() -> None:
    known = Dataset("pets", TRAIN, len(TRAIN) // 2, "", 50.0, "")
    corpora = {k: encode_corpus(known, fit_tokenizer(known, k), block_size=8) for k in TOKENIZERS}
    paragraphs = explanation(corpora, TINY)
    assert not any("*" in cell for cell in rows_of(corpora)["bits per byte"])
    assert not any(paragraph.startswith("*") for paragraph in paragraphs)
    floor = 50.0 / math.log(2) / corpora["byte"].data.val_bytes
    assert f"{floor:.4f} bits per byte: the floor" in paragraphs[-1]


# The command


def test_the_command_trains_on_the_tokens_of_each(tiny, monkeypatch, capsys):
    tasks = []

    def run_here(function, backend, task):
        tasks.append(task)
        return function(backend, task)

    monkeypatch.setattr(tokenizer_showdown, "run_alone", run_here)
    options = ["--backend", "numpy", "--text", "[b]Hello", "--steps", "2"]
    assert tokenizers.main([*tiny, *options]) == 0
    out = capsys.readouterr().out
    assert len(tasks) == 4
    assert len({replace(task.config, vocab_size=1) for task in tasks}) == 1
    assert len({task.train for task in tasks}) == 1
    assert "The text: [b]Hello\n" in out
    below = out.partition("The showdown")[2]
    assert len(re.findall(r"\d\.\d{4}", re.search("│ bits per byte.*", below)[0])) == 4
    assert "Do not compare nats per token" in below
    assert max(map(cell_len, below.splitlines())) <= 80
