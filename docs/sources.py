"""Fingerprints of sources, by which a figure knows whether it is older than what it speaks of."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fingerprint(sources: Iterable[str], root: Path = ROOT) -> str:
    """A hash of these files and directories, given from the top of the repository.

    Raises:
        FileNotFoundError: one of them does not exist.
    """
    digest = hashlib.sha256()
    for name in sources:
        top = root / name
        if not top.exists():
            raise FileNotFoundError(f"{name}, whose fingerprint is asked for, does not exist")
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()
