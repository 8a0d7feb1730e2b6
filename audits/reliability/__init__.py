"""Tests too slow for `tests`: killed trainings, corrupted checkpoints, strings of all Unicode."""

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["lost", "wrongly accepted", "traceback"]
"""Lost work; a damaged file accepted; an unexplained end (a traceback, a crash, a hang, unbounded
memory)."""


class Fault(Exception):
    """Something happened that must never happen."""

    def __init__(self, kind: FaultKind, what: str) -> None:
        super().__init__(what)
        self.kind = kind


@dataclass(frozen=True)
class Result:
    """The outcome of one try."""

    row: str
    """The row of the table that it counts in."""
    case: str
    """Its name: `--case` repeats it."""
    how: str
    """The outcome, what went wrong, or why it was skipped."""
    kind: Literal[FaultKind, "well", "skipped"] = "well"
