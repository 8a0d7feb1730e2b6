"""Texts to train on, and what a model sees of them: ids, batches and validation windows.

A dataset is a name (`DATASETS`) or the path of any UTF-8 text file. The first nine tenths of its
characters are for training, the rest for validation.
"""

import hashlib
import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int, Integer

from shared.errors import DatasetError
from shared.files import check_regular, user_cache
from shared.randomness import BATCHES, generator
from shared.text.playlets import Playlets, generate
from shared.text.token_files import LONG, kept_ids, kept_tokenizer
from shared.text.tokenizers import Tokenizer, build_tokenizer
from shared.text.utf8 import Text, Utf8, check_utf8

DATASETS = ("auto", "tinyshakespeare", "playlets")

# Karpathy's char-rnn (2015): 40,000 lines from the plays of Shakespeare, 1,115,394 bytes.
TINYSHAKESPEARE_URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)
TINYSHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TINYSHAKESPEARE_FILE = "tinyshakespeare.txt"
DATA_DIR_VARIABLE = "MINIGPT_DATA_DIR"
DOWNLOAD_TIMEOUT = 10.0  # seconds without an answer


@dataclass(frozen=True)
class Dataset:
    """A text and where its validation part begins."""

    name: str
    """The requested name or path; for "auto", the dataset that was chosen."""
    contents: Text = field(repr=False, compare=False)  # sha256 is of it
    split: int
    """Characters before this offset are for training, the others for validation."""
    sha256: str
    """Of the file, or of the UTF-8 bytes of a generated text; hexadecimal."""
    floor_nats: float | None
    """-ln of the validation text's true probability, in nats; None if unknown."""
    note: str
    """One line: which text this is and where it came from."""

    @property
    def text(self) -> str:
        """The whole text. For a long one, prefer `slices(contents)`."""
        return str(self.contents)

    @cached_property
    def parts(self) -> tuple[Text, Text]:
        """The training part, which is the first nine tenths, and the validation part."""
        if isinstance(self.contents, str):
            return self.contents[: self.split], self.contents[self.split :]
        return self.contents.split(self.split)


@dataclass(frozen=True, eq=False)
class TokenData:
    """A dataset as token ids.

    Training and validation text are encoded separately. The first validation token is never a
    target, as nothing precedes it: a validation loss is over tokens 1 to len(val) - 1.
    """

    train: Integer[np.ndarray, " N"]
    val: Integer[np.ndarray, " M"]
    """Both in the smallest unsigned type that holds all ids."""
    val_bytes: int
    """UTF-8 bytes of the validation text that are predicted: all but the first token's."""
    floor: float | None
    """The best possible validation loss, in nats per token; None if unknown."""

    @property
    def val_targets(self) -> int:
        """Number of validation tokens that are predicted."""
        return len(self.val) - 1

    @property
    def bytes_per_token(self) -> float:
        """Mean bytes per predicted validation token; loss / (ln 2 · this) is in bits per byte."""
        return self.val_bytes / self.val_targets


def load_dataset(name_or_path: str) -> Dataset:
    """Find and read a dataset.

    "tinyshakespeare" is looked for in $MINIGPT_DATA_DIR, then in the user's cache, then downloaded;
    "playlets" is generated; "auto" is tinyshakespeare if available, otherwise playlets. Anything
    else is the path of a text file, used unchanged: newlines are not translated, and nothing is
    stripped except a leading byte order mark, which belongs to the encoding.

    Raises:
        DatasetError: it is missing, does not match its hash, cannot be downloaded, is empty or is
            not UTF-8.
    """
    match name_or_path:
        case "auto":
            return _auto()
        case "tinyshakespeare":
            return _tinyshakespeare()
        case "playlets":
            return _playlets(
                "playlets: scenes drawn from a grammar, so the best possible loss is known"
            )
        case _:
            return _text_file(name_or_path)


def fit_tokenizer(dataset: Dataset, kind: str, vocab_size: int | None = None) -> Tokenizer:
    """Build the tokenizer of `kind` for a dataset.

    A char tokenizer must know every character of the text. Words and merges are learned, from the
    training part only. Raises `TokenizerError` as `build_tokenizer` does.
    """

    def build() -> Tokenizer:
        text = dataset.contents if kind == "char" else dataset.parts[0]
        return build_tokenizer(kind, text, vocab_size)

    if len(dataset.contents) < LONG:
        return build()
    return kept_tokenizer([dataset.sha256, kind, vocab_size], build)


def encode_dataset(dataset: Dataset, tokenizer: Tokenizer, block_size: int) -> TokenData:
    """Encode both parts of a dataset.

    The floor is the text's, spread over the predicted tokens. (The first token, which is not
    predicted, costs nothing: every scene of the playlets begins with the same word.) It is None if
    the tokenizer does not know every word of the validation text, because then less is predicted.

    Raises:
        DatasetError: a part is shorter than block_size + 1 tokens: one window and its targets.
        TokenizerError: the tokenizer cannot encode a character, whose place in the whole text is
            given.
    """
    train, val = _encode_parts(dataset, tokenizer)
    for part, ids in (("training", train), ("validation", val)):
        if len(ids) < block_size + 1:
            raise DatasetError(
                f"{dataset.name} is too short: its {part} part has {len(ids)} tokens, and a "
                f"block_size of {block_size} needs {block_size + 1} (a window and its last target)"
            )
    val_text = dataset.parts[1]
    val_bytes = len(val_text.encode()) - tokenizer.first_token_bytes(val_text)
    floor = None
    if dataset.floor_nats is not None and not tokenizer.unknown_words(val_text):
        floor = dataset.floor_nats / (len(val) - 1)
    return TokenData(train, val, val_bytes, floor)


def _encode_parts(
    dataset: Dataset, tokenizer: Tokenizer
) -> tuple[Integer[np.ndarray, " N"], Integer[np.ndarray, " M"]]:
    dtype = np.min_scalar_type(tokenizer.vocab_size - 1)  # most texts: a byte or two per token

    def train() -> Integer[np.ndarray, " N"]:
        tokenizer.check(dataset.contents)
        return tokenizer.encode(dataset.parts[0], dtype)

    def val() -> Integer[np.ndarray, " M"]:
        return tokenizer.encode(dataset.parts[1], dtype)

    if len(dataset.contents) < LONG:
        return train(), val()
    made_from = [dataset.sha256, tokenizer.to_json()]
    return (
        kept_ids([*made_from, "train"], tokenizer.vocab_size, train),
        kept_ids([*made_from, "val"], tokenizer.vocab_size, val),
    )


def batch(
    train_ids: Integer[np.ndarray, " N"], *, batch_size: int, block_size: int, seed: int, step: int
) -> tuple[Int[np.ndarray, "B T"], Int[np.ndarray, "B T"]]:
    """The tokens of a training step, and the tokens that follow them, both int64.

    Windows are drawn uniformly from all N - T. A pure function of its arguments: every
    backend sees the same batches, and a resumed run continues exactly.
    """
    starts = generator(seed, BATCHES, step).integers(len(train_ids) - block_size, size=batch_size)
    positions = starts[:, None] + np.arange(block_size)
    return train_ids[positions].astype(np.int64), train_ids[positions + 1].astype(np.int64)


def validation_windows(
    val_ids: Integer[np.ndarray, " M"], block_size: int, batch_size: int, most: int | None = None
) -> Iterator[tuple[Int[np.ndarray, "b t"], Int[np.ndarray, "b t"]]]:
    """Adjacent windows over the whole validation split: every target exactly once.

    Yields tokens and targets [B, T], int64, as long as there are full windows; the last
    such batch may have fewer rows. The remaining r < T tokens, if any, come last as [1, r].
    With `most`, at most that many windows, evenly spread.
    """
    tokens, targets = val_ids[:-1], val_ids[1:]
    count = len(tokens) // block_size
    whole = count * block_size
    rows = tokens[:whole].reshape(-1, block_size), targets[:whole].reshape(-1, block_size)
    if most is not None and most < count:
        chosen = np.arange(most) * count // most
        rows, whole = (rows[0][chosen], rows[1][chosen]), len(tokens)
    for first in range(0, len(rows[0]), batch_size):
        last = first + batch_size
        yield rows[0][first:last].astype(np.int64), rows[1][first:last].astype(np.int64)
    if whole < len(tokens):
        yield tokens[None, whole:].astype(np.int64), targets[None, whole:].astype(np.int64)


def _auto() -> Dataset:
    try:
        return _tinyshakespeare()
    except DatasetError as error:
        return _playlets(f"playlets, because {error}")


def _playlets(note: str) -> Dataset:
    playlets: Playlets = generate()
    digest = hashlib.sha256(playlets.text.encode()).hexdigest()
    return Dataset("playlets", playlets.text, playlets.split, digest, playlets.floor_nats, note)


def _tinyshakespeare() -> Dataset:
    looked: list[Path] = []
    for path in _places():
        looked.append(path)
        if path.exists():
            break
    else:
        _download(path, looked)
    data = _read(path)
    _check_hash(path, data)
    return _dataset("tinyshakespeare", data, f"tinyshakespeare: {path}")


def _places() -> Iterator[Path]:
    """Where tinyshakespeare may be; a download is kept in the last of these."""
    if directory := os.environ.get(DATA_DIR_VARIABLE):
        yield Path(directory) / TINYSHAKESPEARE_FILE
    yield user_cache() / TINYSHAKESPEARE_FILE


def _download(target: Path, looked: list[Path]) -> None:
    import pooch  # type: ignore[import-untyped]  # here: it takes 0.4 s, and few runs need it

    def fetch(url: str, output_file: str, manager: object) -> None:
        pooch.HTTPDownloader(timeout=DOWNLOAD_TIMEOUT)(url, output_file, manager)
        _check_hash(url, Path(output_file).read_bytes())

    pooch.get_logger().setLevel("WARNING")
    try:
        # It has a temporary name until its hash has been checked.
        pooch.retrieve(
            TINYSHAKESPEARE_URL,
            known_hash=f"sha256:{TINYSHAKESPEARE_SHA256}",
            fname=target.name,
            path=target.parent,
            downloader=fetch,
        )
    except OSError as error:  # requests' errors are OSErrors, too
        raise DatasetError(
            f"tinyshakespeare is not at {' nor at '.join(map(str, looked))}, and downloading it "
            f"from {TINYSHAKESPEARE_URL} failed ({type(error).__name__}); to supply it yourself, "
            f"save it as {TINYSHAKESPEARE_FILE} in a directory and set {DATA_DIR_VARIABLE} to that"
        ) from error


def _check_hash(where: Path | str, data: bytes) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != TINYSHAKESPEARE_SHA256:
        raise DatasetError(
            f"{where} is not tinyshakespeare: its sha256 is {found}, "
            f"expected {TINYSHAKESPEARE_SHA256}"
        )


def _text_file(path: str) -> Dataset:
    if re.match(r"\w+://", path):
        raise DatasetError(f"{path} is a URL: download it, and give the path of the file")
    data = _read(Path(path))
    for start, name in COMPRESSED.items():
        if data.startswith(start):
            raise DatasetError(f"{path} is compressed ({name}): unpack it first")
    return _dataset(path, data, f"text file: {path}")


COMPRESSED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
"""Formats by the first bytes of their files."""


def _read(path: Path) -> bytes:
    try:
        check_regular(path)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(
            f"there is neither a dataset nor a file {str(path)!r}: the datasets are "
            f"{', '.join(DATASETS)}, and a file is given by its path"
        ) from error
    except IsADirectoryError as error:
        raise DatasetError(f"{path} is a directory; a dataset is one text file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path} cannot be read: {reason}") from error


def _dataset(name: str, data: bytes, note: str) -> Dataset:
    try:
        check_utf8(data)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{name} is not UTF-8: byte {data[error.start]:#04x} at offset {error.start}"
        ) from error
    text = Utf8(memoryview(data)[len(BOM_UTF8) :] if data.startswith(BOM_UTF8) else data)
    if not len(text):
        raise DatasetError(f"{name} is empty")
    split = 9 * len(text) // 10
    return Dataset(name, text, split, hashlib.sha256(data).hexdigest(), None, note)
