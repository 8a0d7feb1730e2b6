"""Replace files so that a crash leaves the old or the new one; explain errors in one line."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

from shared.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file beside `path` that replaces `path` once it is complete.

    Its name is random and it is created exclusively, so no symbolic link planted there is
    followed; one at `path` itself is replaced.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def user_cache() -> Path:
    """The user's cache directory, for what can be made or downloaded again."""
    return platformdirs.user_cache_path("minigpt")


def write_whole(path: Path, text: str) -> None:
    """Replace a file with `text` in UTF-8, completely or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def check_regular(path: Path) -> None:
    """Raise `OSError` unless this is a regular file. (Reading a pipe would block.)"""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` (disk full, read-only, removed) into a `RunError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot {action} {path}: {error.strerror or error}") from error
