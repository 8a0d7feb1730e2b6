"""Fixtures of all tests of shared/."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def forced(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], bool]:
    """Whether a file was forced to disk as it is now; no test waits for that. Whatever gets its
    final name must have been, with all files in it and, of a checkpoint, the metrics of its run."""
    versions: set[tuple[int, ...]] = set()

    def version(file: Path | int) -> tuple[int, ...]:
        status = os.stat(file)  # noqa: PTH116 (a descriptor)
        return status.st_ino, status.st_size, status.st_mtime_ns

    def rename(function: Callable[[Path, Path], Path], old: Path, new: Path) -> Path:
        if ".tmp-" in old.name or old.name.endswith(".partial"):
            for file in (old, *old.rglob("*"), old.parent.parent / "metrics.jsonl"):
                assert not file.exists() or version(file) in versions, f"not on disk: {file}"
        return function(old, new)

    monkeypatch.setattr("os.fsync", lambda file: versions.add(version(file)))
    for name in ("rename", "replace"):
        was = getattr(Path, name)
        monkeypatch.setattr(Path, name, lambda old, new, was=was: rename(was, old, new))
    return lambda file: version(file) in versions


@pytest.fixture(autouse=True)
def everywhere_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every text is longer than one slice: eleven characters or bytes instead of a million."""
    monkeypatch.setattr("shared.text.utf8.SLICE", 11)
    monkeypatch.delenv("NOX_CURRENT_SESSION", raising=False)  # messages would name that session


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record the arguments of pictures instead of drawing them."""
    drawn: list[Any] = []
    monkeypatch.setattr("shared.runs.plots.plot_losses", lambda *a, **k: drawn.append((a, k)))
    return drawn
