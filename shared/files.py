"""Writing files so that a crash leaves the old one or the new one, and errors in one line."""

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
    """A new file beside `path`, which takes the place of `path` once it is whole.

    Its name is random and it is created exclusively, so no symbolic link that waits there is
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
    """Where the user's system keeps what can be made or downloaded again."""
    return platformdirs.user_cache_path("minigpt")


def write_whole(path: Path, text: str) -> None:
    """Replace a file by `text` in UTF-8, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def check_regular(path: Path) -> None:
    """Raise `OSError` for a pipe (it would block its reader), a device, a directory or nothing."""
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
