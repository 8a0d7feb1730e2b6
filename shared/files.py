"""Writing files so that a crash leaves the old one or the new one, and errors in one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a name beside `path` to write to; what was written takes the place of `path` whole."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` (disk full, read-only, removed) into a `RunError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot {action} {path}: {error.strerror or error}") from error
