"""Fixtures of all tests of shared/."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Version = tuple[int, int, int]


def version(status: os.stat_result) -> Version:
    """A file and its content, as far as a program can tell without reading it."""
    return status.st_ino, status.st_size, status.st_mtime_ns


@pytest.fixture(autouse=True)
def forced(monkeypatch: pytest.MonkeyPatch) -> set[Version]:
    """Record what is forced to disk, without waiting for it. In every test, whatever gets its final
    name must have been, with all files in it and, if it is a checkpoint, the metrics of its run."""
    versions: set[Version] = set()

    def checked(rename: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def renamed(self: Path, target: Path) -> Path:
            if ".tmp-" in self.name or self.name.endswith(".partial"):
                for file in (self, *self.rglob("*"), self.parent.parent / "metrics.jsonl"):
                    was_forced = not file.exists() or version(file.stat()) in versions
                    assert was_forced, f"a power cut after the rename to {target} would lose {file}"
            return rename(self, target)

        return renamed

    monkeypatch.setattr("os.fsync", lambda file: versions.add(version(os.fstat(file))))
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, checked(getattr(Path, name)))
    return versions


@pytest.fixture(autouse=True)
def every_text_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than one slice: eleven characters or bytes instead of a million."""
    monkeypatch.setattr("shared.text.utf8.SLICE", 11)


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record the arguments of pictures instead of drawing them."""
    drawn: list[Any] = []
    monkeypatch.setattr("shared.runs.plots.plot_losses", lambda *a, **k: drawn.append((a, k)))
    return drawn
