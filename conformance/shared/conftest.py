"""Fixtures of all tests of shared/."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def do_not_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record the arguments of pictures instead of drawing them."""
    drawn: list[Any] = []
    monkeypatch.setattr("shared.runs.plots.plot_losses", lambda *a, **k: drawn.append((a, k)))
    return drawn
