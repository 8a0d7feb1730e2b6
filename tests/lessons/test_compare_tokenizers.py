"""The tokenizer lesson and the showdown: correct numbers, and no hidden losses."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from lessons.tokenizers import __main__ as tokenizers
from lessons.tokenizers import showdown as tokenizer_showdown
from lessons.tokenizers.lesson import lesson, pieces_over_ids
from lessons.tokenizers.showdown import Trained, encode_corpus, explanation, showdown, train_on
from shared.config import Preset, TrainConfig
from shared.errors import TokenizerError
from shared.text.datasets import Dataset, fit_tokenizer
from shared.text.tokenizers import TOKENIZERS, Tokenizer, build_tokenizer

TRAIN = "the cat sat, the dog sat. " * 36
VAL = "the zebra sat: naïve cat. " * 4
CORPUS = "the cat sat, the dog sat, a café. " * 60


def dataset(floor_nats: float | None = None) -> Dataset:
    return Dataset("pets", TRAIN + VAL, len(TRAIN), "", floor_nats, "pets: made up")


@pytest.fixture(scope="module")
def fitted() -> dict[str, Tokenizer]:
    return {kind: fit_tokenizer(dataset(), kind) for kind in TOKENIZERS}


@pytest.fixture
def corpus_file(tmp_path: Path) -> str:
    path = tmp_path / "corpus.txt"
    path.write_text(CORPUS, encoding="utf-8")
    return str(path)


# The lesson


def parts(fitted: dict[str, Tokenizer], text: str) -> dict[str, str]:
    """The lesson, by tokenizer."""
    _, *paragraphs = "\n".join(lesson(fitted, text, width=80)).split("\n\n")
    return {paragraph.partition(":")[0]: paragraph for paragraph in paragraphs}


def test_hello_in_bytes(fitted: dict[str, Tokenizer]) -> None:
    byte = parts(fitted, "Hello")["byte"]
    assert "5 tokens, out of 256 different ones" in byte
    assert re.search(r"H +e +l +l +o\n +72 +101 +108 +108 +111\n", byte)


def test_what_is_lost_is_said(fitted: dict[str, Tokenizer]) -> None:
    shown = parts(fitted, "the Zebra sat 🦓")
    assert list(shown) == ["byte", "char", "word", "bpe"]
    for kind in ("byte", "bpe"):
        assert shown[kind].endswith("\ndecoded: the same text")
        assert "lost" not in shown[kind]
    assert "refused, for they are not in the dataset: Z 🦓 (left out here)" in shown["char"]
    assert shown["char"].endswith("\ndecoded: the ebra sat ")
    assert "unknown, so they are lost: Zebra 🦓\n" in shown["word"]
    assert shown["word"].endswith("\ndecoded: the <unk> sat <unk>")
    known = parts(fitted, "the cat sat")
    assert all(paragraph.endswith("\ndecoded: the same text") for paragraph in known.values())


@pytest.mark.parametrize("text", ["the cat", "naïve 🦓\n\x1b[2J", "東京 [red] <unk>" * 20])
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_every_piece_stands_over_its_id(kind: str, text: str) -> None:
    tokenizer = build_tokenizer(kind, text)
    ids = tokenizer.encode(text)
    lines = list(pieces_over_ids(tokenizer, ids, width=40))
    assert all(cell_len(line) <= 40 and line.isprintable() for line in lines)
    pieces, numbers = lines[::2], lines[1::2]
    assert [int(number) for line in numbers for number in line.split()] == ids.tolist()
    for upper, lower in zip(pieces, numbers, strict=True):
        assert cell_len(upper) == len(lower)
        assert len(upper.split()) == len(lower.split())


def test_half_a_surrogate_pair_is_no_text(fitted: dict[str, Tokenizer]) -> None:
    with pytest.raises(TokenizerError, match="surrogate"):
        list(lesson(fitted, "a\udcff", width=80))


# The showdown


def test_the_measures_of_a_corpus_worked_by_hand(fitted: dict[str, Tokenizer]) -> None:
    """VAL is four times 5 words, 5 spaces and 2 marks; zebra, naïve and : were never seen."""
    word = encode_corpus(dataset(), fitted["word"], block_size=8)
    assert word.words == 20
    assert len(word.data.val) == 4 * 12
    assert word.unknown_words == 8
    assert word.unknown_bytes == 4 * (len("zebra:") + len("naïve".encode()))
    assert word.covered == 1 - 4 * len("zebra:naïve") / len(VAL)
    assert word.data.val_bytes == len(VAL.encode()) - len("the")
    for kind in ("byte", "char", "bpe"):
        other = encode_corpus(dataset(), fitted[kind], block_size=8)
        assert (other.words, other.unknown_words, other.unknown_bytes) == (20, 0, 0)
        assert other.covered == 1


def test_the_first_token_is_not_predicted_and_cannot_be_unknown(
    fitted: dict[str, Tokenizer],
) -> None:
    cut = replace(dataset(), split=len(TRAIN) + len("the ze"))  # validation begins with "bra"
    word = encode_corpus(cut, fitted["word"], block_size=8)
    whole = encode_corpus(dataset(), fitted["word"], block_size=8)
    assert word.unknown_bytes == whole.unknown_bytes - len("zebra")
    assert word.unknown_words == whole.unknown_words


def test_a_validation_text_may_begin_with_half_a_character_s_worth_of_bytes() -> None:
    accents = Dataset("accents", "é" * 100, 90, "", None, "")
    byte = encode_corpus(accents, fit_tokenizer(accents, "byte"), block_size=2)
    assert byte.data.val_bytes == 19
    assert byte.unknown_bytes == 0


def test_bits_per_byte(fitted: dict[str, Tokenizer]) -> None:
    """Guessing among 256 bytes costs 8 bits, and the information in a text does not depend on the
    tokens that it is counted in."""
    byte = encode_corpus(dataset(), fitted["byte"], block_size=8)
    assert byte.bits_per_byte(math.log(256)) == pytest.approx(8)
    assert byte.spelled_bits_per_byte(1.0) == byte.bits_per_byte(1.0)
    nats = 100.0
    for kind in TOKENIZERS:
        c = encode_corpus(dataset(), fitted[kind], block_size=8)
        expected = nats / math.log(2) / c.data.val_bytes
        assert c.bits_per_byte(nats / c.data.val_targets) == pytest.approx(expected)
    spelled = c = encode_corpus(dataset(), fitted["word"], block_size=8)
    bits = nats / math.log(2) + 8 * c.unknown_bytes
    loss = nats / c.data.val_targets
    assert spelled.spelled_bits_per_byte(loss) == pytest.approx(bits / c.data.val_bytes)


def tiny_preset() -> Preset:
    model = {"block_size": 8, "n_layer": 1, "n_head": 2, "n_embd": 8, "vocab_size": 999}
    train = TrainConfig(steps=30, batch_size=4, warmup_steps=1, learning_rate=1e-2)
    return Preset("tiny", model, train, "bpe")


def test_training_is_equal_but_for_the_vocabulary(
    fitted: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = []

    def run_here(function, backend, task):
        tasks.append(task)
        return function(backend, task)

    monkeypatch.setattr(tokenizer_showdown, "run_alone", run_here)
    preset = tiny_preset()
    for kind, tokenizer in fitted.items():
        c = encode_corpus(dataset(), tokenizer, block_size=8)
        trained = train_on(c, tokenizer, preset, "numpy")
        assert trained.loss < math.log(tokenizer.vocab_size)
        assert trained.bytes_seen == pytest.approx(30 * 4 * 8 * len(TRAIN) / len(c.data.train))
        assert tasks[-1].config.vocab_size == tokenizer.vocab_size, kind
        assert tasks[-1].train == preset.train
        assert sum(w.size for w in tasks[-1].weights.values()) == trained.parameters
    assert len({replace(task.config, vocab_size=1) for task in tasks}) == 1


def cells(fitted: dict[str, Tokenizer], trained: dict[str, Trained]) -> dict[str, list[str]]:
    corpus = {kind: encode_corpus(dataset(), t, block_size=8) for kind, t in fitted.items()}
    sizes = {kind: tokenizer.vocab_size for kind, tokenizer in fitted.items()}
    columns = [list(column.cells) for column in showdown(sizes, corpus, trained).columns]
    return {str(label): list(map(str, row)) for label, *row in zip(*columns, strict=True)}


def test_a_number_that_unk_makes_flattering_is_marked(fitted: dict[str, Tokenizer]) -> None:
    trained = {kind: Trained(1000, 1e6, loss=2.0) for kind in TOKENIZERS}
    rows = cells(fitted, trained)
    assert rows["unknown words"] == ["none", "none", "40.00 %", "none"]
    assert rows["characters that survive"][:2] == ["all", "all"]
    corpus = {kind: encode_corpus(dataset(), t, block_size=8) for kind, t in fitted.items()}
    bits = {kind: f"{c.bits_per_byte(2.0):.4f}" for kind, c in corpus.items()}
    assert rows["bits per byte"] == [bits["byte"], bits["char"], bits["word"] + "*", bits["bpe"]]
    spelled = {kind: f"{c.spelled_bits_per_byte(2.0):.4f}" for kind, c in corpus.items()}
    assert rows["with <unk> spelled out"] == list(spelled.values())
    assert spelled["word"] > bits["word"]
    (note,) = (p for p in explanation(corpus, trained, tiny_preset()) if p.startswith("*"))
    assert "Flattering" in note


def test_where_no_word_is_unknown_nothing_is_marked() -> None:
    sizes = dict.fromkeys(TOKENIZERS, 300)
    known = Dataset("pets", TRAIN, len(TRAIN) // 2, "", 50.0, "")
    corpus = {k: encode_corpus(known, fit_tokenizer(known, k), block_size=8) for k in TOKENIZERS}
    trained = {kind: Trained(1000, 1e6, loss=2.0) for kind in TOKENIZERS}
    shown = [
        str(cell) for column in showdown(sizes, corpus, trained).columns for cell in column.cells
    ]
    assert "bits per byte" in shown
    assert not any("*" in cell or "<unk>" in cell for cell in shown)
    paragraphs = explanation(corpus, trained, tiny_preset())
    assert not any(paragraph.startswith("*") for paragraph in paragraphs)
    floor = 50.0 / math.log(2) / corpus["byte"].data.val_bytes
    assert f"{floor:.4f} bits per byte: the floor" in paragraphs[-1]


# The command


def test_without_training_the_table_is_of_the_corpus_alone(corpus_file: str, capsys) -> None:
    assert tokenizers.main(["--steps", "0", "--dataset", corpus_file, "--text", "[b]Hello"]) == 0
    out = capsys.readouterr().out
    assert "The text: [b]Hello\n" in out
    assert "tokens per word" in out
    assert "nats" not in out
    assert max(map(cell_len, out.splitlines())) <= 80


def test_the_command_trains_on_the_tokens_of_each(
    corpus_file: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(tokenizer_showdown, "run_alone", lambda train, *given: train(*given))
    options = ["--preset", "classroom", "--steps", "2", "--backend", "numpy"]
    options += ["--dataset", corpus_file]
    assert tokenizers.main(options) == 0
    out = capsys.readouterr().out
    numbers = {
        label: np.array(re.findall(r"\d+\.\d{4}", line), dtype=float)
        for label in ("nats per token", "bits per byte")
        for line in out.splitlines()
        if line.startswith(f"│ {label}")
    }
    assert len(numbers["nats per token"]) == len(numbers["bits per byte"]) == 4
    assert numbers["bits per byte"][0] == pytest.approx(
        numbers["nats per token"][0] / math.log(2), abs=2e-4
    )
    below = out.partition("The showdown")[2]
    assert "Do not compare nats per token" in below
    assert max(map(cell_len, below.splitlines())) <= 80
