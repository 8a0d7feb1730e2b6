"""Where the repository is, and fingerprints of its files: when one changes, whatever was made from
the files is out of date."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The top of the repository."""


def fingerprint(sources: Iterable[str], root: Path = ROOT) -> str:
    """A hash of the names and contents of files and directories, given relative to `root`.

    What Python, an editor or a file manager leaves beside the sources is ignored.

    Raises:
        FileNotFoundError: one of `sources` does not exist, or is a directory without a file.
            (If it were skipped silently, later changes to it would go unnoticed.)
    """
    digest = hashlib.sha256()
    for source in sources:
        for path in files_of(root / source):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def files_of(top: Path) -> list[Path]:
    """A file, or all source files of a directory, sorted. Raises FileNotFoundError if there is
    none."""
    if top.is_file():
        return [top]
    found = [
        path
        for path in top.rglob("*")
        if path.is_file() and not any(map(is_left_over, path.relative_to(top).parts))
    ]
    if not found:
        raise FileNotFoundError(f"{top} does not exist or is empty; its fingerprint is needed")
    return sorted(found)


def is_left_over(name: str) -> bool:
    """Whether a file or directory of this name is not a source: `__pycache__`, `.model.py.swp`,
    `model.py~`, `#model.py#`, `.DS_Store`, or `exercise`, which belongs to the reader."""
    return name in ("__pycache__", "exercise") or name.startswith((".", "#")) or name.endswith("~")
