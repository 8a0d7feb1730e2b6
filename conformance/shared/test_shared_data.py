"""Texts, batches, validation and its loss: shared/text/ and `evaluate` in shared/runs/loop.py."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conformance.truths.by_definition import same_bits, windows
from shared.errors import DatasetError, TokenizerError
from shared.runs.loop import evaluate
from shared.text import datasets
from shared.text.datasets import Dataset, batch, encode_dataset, fit_tokenizer, load_dataset
from shared.text.playlets import generate
from shared.text.tokenizers import build_tokenizer
from shared.text.utf8 import Utf8

# Texts


@pytest.mark.parametrize(
    ("length", "split"), [(1, 0), (9, 8), (10, 9), (19, 17), (1_115_394, 1_003_854)]
)
def test_nine_tenths_are_for_training(tmp_path: Path, length: int, split: int) -> None:
    """Split by position, in characters, not in bytes: here each takes two."""
    text = "".join(chr(0xC0 + i % 59) for i in range(length))
    path = tmp_path / "text"
    path.write_bytes(text.encode())
    dataset = load_dataset(str(path))
    assert (dataset.text, dataset.split) == (text, split)
    assert tuple(map(str, dataset.parts)) == (text[:split], text[split:])
    assert (dataset.name, dataset.floor_nats) == (str(path), None)
    assert dataset.note == f"text file: {path}"
    assert dataset.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    """Line ends and spaces are kept; but a byte order mark at the start is not text."""
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbf \r\nb\r\xef\xbb\xbf\n\n")
    assert load_dataset(str(path)).text == " \r\nb\r\ufeff\n\n"
    for wrong, message in (
        *((b"", "is empty"), (b"\xef\xbb\xbf", "is empty")),
        (b"caf\xe9 au lait", "is not UTF-8: byte 0xe9 at offset 3"),
        (b"\xef\xbb\xbfab\xff", "byte 0xff at offset 5"),
        (b"abc\xe2\x82", "byte 0xe2 at offset 3"),  # it ends in the middle of a character
        (b"long text\xe2\x82\xff", "byte 0xe2 at offset 9"),
    ):
        path.write_bytes(wrong)
        with pytest.raises(DatasetError, match=f"{path} .*{message}"):
            load_dataset(str(path))
    for name, message in (
        (str(tmp_path / "missing"), "missing'.* the datasets are auto, tinyshakespeare, playlets"),
        ("shakespear", "neither a dataset nor a file 'shakespear'"),
        (str(tmp_path), "is a directory"),
        ("a\0b", "cannot be read: embedded null byte"),
    ):
        with pytest.raises(DatasetError, match=f"^.*{message}.*$"):
            load_dataset(name)


def test_tinyshakespeare_is_known_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the data directory, which comes first, or in the user's cache."""
    digest = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
    assert digest == datasets.TINYSHAKESPEARE_SHA256
    assert datasets.TINYSHAKESPEARE_URL == (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
    )
    text = b"First Citizen:\nBefore we proceed any further, hear me speak.\n"
    mine = hashlib.sha256(text).hexdigest()
    monkeypatch.setenv("MINIGPT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    paths = [tmp_path / name / "tinyshakespeare.txt" for name in ("minigpt", "data")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(text)
        message = f"{path} is not tinyshakespeare: its sha256 is {mine}, expected {digest}"
        with pytest.raises(DatasetError, match=message):
            load_dataset("tinyshakespeare")
        dataset = load_dataset("auto")
        assert (dataset.name, dataset.note) == ("playlets", f"playlets, because {message}")
        assert path.read_bytes() == text
    monkeypatch.setattr(datasets, "TINYSHAKESPEARE_SHA256", mine)
    for path in reversed(paths):
        for name in ("tinyshakespeare", "auto"):
            dataset = load_dataset(name)
            assert (dataset.name, dataset.sha256) == ("tinyshakespeare", mine)
            assert (dataset.text, dataset.note) == (text.decode(), f"tinyshakespeare: {path}")
        path.unlink()


def test_playlets() -> None:
    """The text, its split, and the exact −ln of its last tenth's probability."""
    playlets, dataset = generate(), load_dataset("playlets")
    digest = "2662b9f2f19d745c1929d122e733b9e5673bd775ef60326861d97b98ac24d48f"
    assert hashlib.sha256(playlets.text.encode("ascii")).hexdigest() == digest == dataset.sha256
    assert (len(playlets.text), playlets.split) == (1_001_698, 901_528)
    assert playlets.floor_nats == pytest.approx(132312.16705876734, rel=1e-12)
    kept = (dataset.name, dataset.text, dataset.split, dataset.floor_nats)
    assert kept == ("playlets", playlets.text, playlets.split, playlets.floor_nats)


# Tokens


def of(text: str, floor: float | None = None) -> Dataset:
    """A text as from a file."""
    return Dataset("a test", Utf8(text.encode()), 9 * len(text) // 10, "", floor, "")


def test_what_a_tokenizer_is_made_of() -> None:
    """Characters from the whole text; words and merges from the part for training alone."""
    dataset = of("low " * 20 + "new wet")
    assert tuple(map(str, dataset.parts)) == ("low " * 19 + "lo", "w new wet")
    assert fit_tokenizer(dataset, "char").vocab_size == len(set("low new wet"))
    assert fit_tokenizer(dataset, "word").unknown_words("low new wet") == {"new": 1, "wet": 1}
    assert fit_tokenizer(dataset, "word", 2).vocab_size == 2
    pieces = fit_tokenizer(dataset, "bpe", 300)
    assert len(pieces.encode(" low")) == 1
    assert len(pieces.encode(" new")) > 1


# The last tenth is 18 characters long: nine of three bytes alternating with nine of two.
EURO = "€é" * 90
ENCODED = [
    # text, floor, tokenizer; ids of the last tenth, bytes after the first token, floor per token
    (EURO, 34.0, "char", [1, 0] * 9, 9 * 5 - 3, 2.0),
    (EURO, 88.0, "byte", [0xE2, 0x82, 0xAC, 0xC3, 0xA9] * 9, 9 * 5 - 1, 2.0),
    ("éa " * 60, 10.0, "word", [2, 1] * 6, 6 * 4 - 3, 10 / 11),
    ("ab\n" * 60, 22.0, "bpe", [256, 198] * 6, 6 * 3 - 2, 2.0),
    (EURO, None, "char", [1, 0] * 9, 9 * 5 - 3, None),
]


@pytest.mark.parametrize(("text", "nats", "kind", "val", "size", "floor"), ENCODED)
def test_encoding(
    text: str, nats: float | None, kind: str, val: list[int], size: int, floor: float | None
) -> None:
    """Both parts, separately; bytes and floor are of the predicted tokens: all but the first."""
    data = encode_dataset(of(text, nats), build_tokenizer(kind, text), 8)
    assert (data.val.tolist(), data.train.tolist()) == (val, val * 9)
    assert (data.val_bytes, data.val_targets) == (size, len(val) - 1)
    assert data.bytes_per_token == size / (len(val) - 1)
    assert data.floor == (None if floor is None else pytest.approx(floor, rel=1e-15))


def test_what_a_tokenizer_does_not_know() -> None:
    """A text with <unk> is easier to predict, so it has no floor. An unknown character is reported
    with its line and column, counted from the beginning of the whole text."""
    data = encode_dataset(of("a b " * 30, 9.0), build_tokenizer("word", "a"), 5)
    assert (data.floor, data.val.tolist()) == (None, [1, 0, 0, 0] * 3)
    with pytest.raises(TokenizerError, match="line 10, column 1"):
        encode_dataset(of("a\n" * 9 + "b"), build_tokenizer("char", "a\n"), 2)


@pytest.mark.parametrize(("train", "val", "part"), [(9, 90, "training"), (90, 9, "validation")])
def test_both_parts_must_hold_a_window_and_a_target(train: int, val: int, part: str) -> None:
    dataset = Dataset("short", "x" * (train + val), train, "", None, "")
    encode_dataset(dataset, build_tokenizer("byte", ""), 8)
    with pytest.raises(DatasetError, match=f"{part} part has 9 tokens.* 10 "):
        encode_dataset(dataset, build_tokenizer("byte", ""), 9)


# Batches


@pytest.mark.parametrize("seed", [0, 1, 1337, 2**63 - 1])
def test_batches(seed: int) -> None:
    """A pure function of seed and step: the windows drawn by the stream of batches, as int64."""
    ids = (np.arange(1000) ** 2 % 251).astype(np.uint8)
    for step, batch_size, block_size in ((0, 3, 11), (1, 3, 11), (2**40, 5, 64), (7, 1, 999)):
        sizes = {"batch_size": batch_size, "block_size": block_size, "seed": seed, "step": step}
        found, expected = batch(ids, **sizes), windows(ids, **sizes)
        for what, mine, right in zip(("tokens", "targets"), found, expected, strict=True):
            same_bits(mine, right.astype(np.int64), f"{what} of step {step}")


def test_batches_are_these_and_reach_every_window() -> None:
    ids = np.arange(10_000)
    tokens, targets = batch(ids, batch_size=4, block_size=8, seed=1, step=7)
    assert tokens[:, 0].tolist() == [2609, 7941, 6546, 3565]
    assert (targets == tokens + 1).all()
    tokens, targets = batch(ids[:12], batch_size=200, block_size=8, seed=0, step=0)
    assert set(tokens[:, 0].tolist()) == {0, 1, 2, 3}
    assert (tokens.min(), targets.max()) == (0, 11)


# Validation


@pytest.mark.parametrize("length", [2, 8, 9, 10, 16, 17, 73, 80])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_validation_windows(length: int, batch_size: int) -> None:
    """Every target once and in order, in windows of 8 side by side; the remainder comes last."""
    ids = np.arange(length).astype(np.uint16) * 3
    found = list(datasets.validation_windows(ids, 8, batch_size))
    for tokens, targets in found:
        assert tokens.dtype == targets.dtype == np.int64
        assert (targets == tokens + 3).all()
    assert [target for _, targets in found for target in targets.flat] == ids[1:].tolist()
    whole, rest = divmod(length - 1, 8)
    rows = [batch_size] * (whole // batch_size) + [whole % batch_size] * (whole % batch_size > 0)
    shapes = [(row, 8) for row in rows] + [(1, rest)] * (rest > 0)
    assert [tokens.shape for tokens, _ in found] == shapes


@pytest.mark.parametrize("most", [1, 4, 9, 10])
def test_some_validation_windows(most: int) -> None:
    """A budget takes windows from all over the split, each once; none is left out needlessly."""
    ids = np.arange(75)  # 9 windows of 8, and 2 tokens more
    windows = datasets.validation_windows(ids, 8, 3, most)
    firsts = [row[0] for tokens, _ in windows for row in tokens.tolist()]
    spread = {1: [0], 4: [0, 16, 32, 48], 9: [*range(0, 72, 8), 72], 10: [*range(0, 72, 8), 72]}
    assert firsts == spread[most]


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_evaluate(batch_size: int) -> None:
    """All targets count equally in the mean, although the last batch and window are short."""
    ids = np.arange(78) ** 2 % 83

    def loss(tokens: np.ndarray, targets: np.ndarray) -> float:
        return float((tokens * 7.0 + targets).mean())

    model = SimpleNamespace(config=SimpleNamespace(block_size=8), loss=loss)
    expected = float((ids[:-1] * 7.0 + ids[1:]).mean())
    assert evaluate(model, ids, batch_size) == pytest.approx(expected, rel=1e-14)
    first, fifth = ((ids[i : i + 8] * 7.0 + ids[i + 1 : i + 9]).mean() for i in (0, 32))
    two = evaluate(model, ids, batch_size, windows=2)
    assert two == pytest.approx((first + fifth) / 2, rel=1e-14)
