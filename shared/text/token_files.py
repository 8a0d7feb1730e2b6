"""A cache on disk for what is made from long texts, so that the next start can read it.

The name of a file is a hash of everything its content was made from, so a changed text finds
nothing. The directory may be deleted at any time. A file that cannot be written is no error: its
content is made again.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Integer

from shared.errors import TokenizerError
from shared.files import check_regular, replacing, user_cache
from shared.text.tokenizers import Tokenizer

LONG = 1 << 22
"""Texts of this many characters or more are cached: making their tokens takes seconds."""

VERSION = 1
"""Increase this when a tokenizer or its ids change for the same text."""


def kept_tokenizer(made_from: list[object], make: Callable[[], Tokenizer]) -> Tokenizer:
    """The cached tokenizer for `made_from`, otherwise the one that `make` builds."""
    file = _file(made_from, "tokenizer.json")
    with suppress(TokenizerError):  # it is missing or damaged
        return Tokenizer.load(file)
    tokenizer = make()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        tokenizer.save(file)
    return tokenizer


def kept_ids(
    made_from: list[object], vocab_size: int, make: Callable[[], Integer[np.ndarray, " N"]]
) -> Integer[np.ndarray, " N"]:
    """The cached ids for `made_from`, mapped into memory, otherwise those that `make` returns."""
    file = _file(made_from, "npy")
    with suppress(OSError, ValueError, EOFError):
        check_regular(file)
        ids: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False).view(np.ndarray)
        if ids.ndim == 1 and ids.dtype.kind == "u" and ids.max(initial=0) < vocab_size:
            return ids
    ids = make()
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as whole:
            np.save(whole, ids)
    return ids


def _file(made_from: list[object], kind: str) -> Path:
    name = hashlib.sha256(json.dumps([VERSION, *made_from]).encode()).hexdigest()
    return user_cache() / "tokens" / f"{name}.{kind}"
