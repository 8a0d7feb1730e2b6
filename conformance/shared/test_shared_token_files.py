"""A long text is made into tokens once, unless it changes or what was kept is damaged."""

from pathlib import Path

import numpy as np
import pytest

from shared.text import datasets
from shared.text.datasets import encode_dataset, fit_tokenizer, load_dataset
from shared.text.tokenizers import TOKENIZERS, build_tokenizer

TEXT = "to be, or not to be: that is the question\n" * 20


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tokens are kept; every text is long enough."""
    (tmp_path / "text").write_text(TEXT)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(datasets, "LONG", 1)
    return tmp_path / "minigpt" / "tokens"


def begin(directory: Path, kind: str) -> list[list[int]]:
    dataset = load_dataset(str(directory / "text"))
    data = encode_dataset(dataset, fit_tokenizer(dataset, kind), 4)
    return [data.train.tolist(), data.val.tolist()]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_the_second_start_makes_nothing(tmp_path, kept: Path, monkeypatch, kind: str) -> None:
    first = begin(tmp_path, kind)
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "build_tokenizer", pytest.fail)
        assert begin(tmp_path, kind) == first
        for ids in kept.glob("*.npy"):
            np.save(ids, np.zeros_like(np.load(ids)))
        assert set(begin(tmp_path, kind)[0]) == {0}, "what was kept is what is read"
    (tmp_path / "text").write_text(TEXT.replace("question", "mystery?"))  # as long as before
    assert len(set(begin(tmp_path, kind)[0])) > 1


def test_what_was_made_from_something_else_is_not_taken(tmp_path, kept: Path) -> None:
    dataset = load_dataset(str(tmp_path / "text"))
    small, large = (fit_tokenizer(dataset, "word", size) for size in (6, 7))
    assert small.vocab_size < large.vocab_size
    other = build_tokenizer("word", TEXT.upper(), 6)  # of the same size
    for tokenizer in (small, large, other):
        data = encode_dataset(dataset, tokenizer, 4)
        assert data.train.tolist() == tokenizer.encode(dataset.parts[0]).tolist()


@pytest.mark.parametrize("damage", ["empty", "cut short", "other ids", "a directory"])
def test_what_is_damaged_is_made_again(tmp_path: Path, kept: Path, damage: str) -> None:
    first = begin(tmp_path, "char")
    for path in list(kept.iterdir()):
        content = path.read_bytes()
        path.unlink()
        if damage == "a directory":
            path.mkdir()
        else:
            end = {"empty": b"", "cut short": content[:-1], "other ids": content[:-1] + b"\xff"}
            path.write_bytes(end[damage])
    assert begin(tmp_path, "char") == first


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path, kept: Path) -> None:
    kept.parent.write_text("a file where the cache would be")
    assert begin(tmp_path, "bpe") == begin(tmp_path, "bpe")
