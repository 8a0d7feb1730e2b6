"""A long text is made into tokens once, unless it changes or what was kept is damaged."""

from pathlib import Path

import numpy as np
import pytest

from shared.text import datasets
from shared.text.datasets import TokenData, encode_dataset, fit_tokenizer, load_dataset
from shared.text.tokenizers import Tokenizer

TEXT = "to be, or not to be: that is the question\n" * 20


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tokens are kept; every text is long enough."""
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / name)
    monkeypatch.setattr(datasets, "LONG", 1)
    return tmp_path / "minigpt" / "tokens"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was really built or encoded."""
    calls: list[str] = []
    build, encode = datasets.build_tokenizer, Tokenizer.encode

    def counted_build(kind: str, *args: object) -> Tokenizer:
        calls.append(f"built {kind}")
        return build(kind, *args)

    def counted_encode(self: Tokenizer, text: str, *args: object) -> np.ndarray:
        if args:  # not for the length of the first token
            calls.append(f"encoded {len(text)}")
        return encode(self, text, *args)

    monkeypatch.setattr(datasets, "build_tokenizer", counted_build)
    monkeypatch.setattr(Tokenizer, "encode", counted_encode)
    return calls


def begin(file: Path, kind: str) -> TokenData:
    dataset = load_dataset(str(file))
    return encode_dataset(dataset, fit_tokenizer(dataset, kind), 4)


def same(one: TokenData, other: TokenData) -> bool:
    return (
        one.train.tolist() == other.train.tolist()
        and one.val.tolist() == other.val.tolist()
        and (one.train.dtype, one.val_bytes) == (other.train.dtype, other.val_bytes)
    )


@pytest.mark.parametrize("kind", ["byte", "char", "word", "bpe"])
def test_the_second_start_makes_nothing(
    tmp_path: Path, kept: Path, made: list[str], kind: str
) -> None:
    file = tmp_path / "text"
    file.write_text(TEXT)
    first = begin(file, kind)
    assert made == [f"built {kind}", "encoded 756", "encoded 84"]
    del made[:]
    second = begin(file, kind)
    assert made == []
    assert same(first, second)
    assert len(list(kept.iterdir())) == 3
    file.write_text(TEXT.replace("question", "mystery?"))  # as long as before
    assert not same(begin(file, kind), first)
    assert made == [f"built {kind}", "encoded 756", "encoded 84"]


@pytest.mark.parametrize("damage", ["empty", "cut short", "other ids", "a directory"])
def test_what_is_damaged_is_made_again(tmp_path: Path, kept: Path, damage: str) -> None:
    file = tmp_path / "text"
    file.write_text(TEXT)
    first = begin(file, "char")
    for path in list(kept.iterdir()):
        content = path.read_bytes()
        path.unlink()
        if damage == "a directory":
            path.mkdir()
        else:
            end = {"empty": b"", "cut short": content[:-1], "other ids": content[:-1] + b"\xff"}
            path.write_bytes(end[damage])
    assert same(begin(file, "char"), first)


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path, kept: Path) -> None:
    kept.parent.write_text("a file where the cache would be")
    file = tmp_path / "text"
    file.write_text(TEXT)
    assert same(begin(file, "bpe"), begin(file, "bpe"))
