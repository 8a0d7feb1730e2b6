"""Strict readers for untrusted files: no content can cause a crash, a hang or a full memory.

Everything here raises only `CheckpointError`, with one line that names the file.
"""

import json
import math
import reprlib
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from shared.errors import CheckpointError

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 80
_repr.maxlevel = 2


def show(value: object) -> str:
    """A value from a file, formatted for a message: short, on one line, no control characters."""
    return _repr.repr(value)


def refuse(file: Path, problem: object) -> NoReturn:
    """Raise the `CheckpointError` that says what is wrong with `file`."""
    text = str(problem)
    raise CheckpointError(f"{file}: {text if len(text) <= 400 else text[:400] + '…'}")


def is_file_name(name: str) -> bool:
    """Whether a name from a file is a plain file name: not a path, and without characters that no
    terminal shows."""
    plain = name.isprintable() and len(name) < 256
    return plain and Path(name).name == name and name not in ("", "..")


def regular_file(directory: Path, name: str) -> Path:
    """`directory`/`name`, if it is a regular file inside the directory.

    In the cache of the Hugging Face Hub, snapshots/REVISION has links to files in ../../blobs.

    Raises:
        CheckpointError: it is missing, not a regular file (a pipe would block the reader),
            or a symbolic link that leads out of the directory.
    """
    path = directory / name
    try:
        target = path.resolve(strict=True)
        home = directory.resolve(strict=True)
        blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else home
        inside = target.is_relative_to(home) or target.parent == blobs
        is_file = stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        refuse(path, "a symbolic link to nothing" if path.is_symlink() else "this file is missing")
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        refuse(path, f"cannot be read: {reason(error)}")
    if not inside:
        refuse(path, "a symbolic link out of the checkpoint; only files inside it are read")
    if not is_file:
        refuse(path, "not a regular file")
    return path


def read_bytes(directory: Path, name: str, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes. Raises `CheckpointError`."""
    path = regular_file(directory, name)
    try:
        size = path.stat().st_size
        if size > limit:
            refuse(path, f"too large: {size} bytes; at most {limit} are read")
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        refuse(path, f"cannot be read: {reason(error)}")


def decode(file: Path, data: bytes) -> str:
    """Decode `data` as UTF-8. Raises `CheckpointError`."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse(file, f"not UTF-8 at byte {error.start}")


def parse_object(
    file: Path, data: bytes, parse_int: Callable[[str], float] | None = None
) -> dict[str, Any]:
    """The JSON object in `data`, read more strictly than `json.loads` does.

    Python's reader takes the last of two equal keys, NaN, and numbers of any size. Other readers
    may understand something else, so all three are refused, as is excessive nesting. `parse_int`
    replaces the check of integers. Raises `CheckpointError` for these, and for what is not UTF-8,
    not JSON, or not an object."""
    try:
        value = json.loads(
            decode(file, data),
            object_pairs_hook=_distinct,
            parse_int=parse_int or _integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError:
        refuse(file, "JSON nested too deeply")
    except ValueError as error:
        refuse(file, f"not valid JSON: {error}")
    if not isinstance(value, dict):
        refuse(file, f"expected a JSON object, found {show(value)}")
    return value


def reason(error: Exception) -> str:
    """The operating system's message, without the file name, which ours already contains."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {show(twice)} stands twice")
    return table


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"the integer {digits[:30]} does not fit into 64 bits")
    return int(digits)


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise ValueError(f"the number {literal[:30]} is not finite")
    return value
