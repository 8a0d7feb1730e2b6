"""What is too slow for `tests`: trainings killed, checkpoints corrupted, strings of all Unicode."""

from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["lost", "wrongly accepted", "traceback"]
"""Work that is gone; something damaged taken for whole; an end that explains nothing (a traceback,
a crash, a hang, memory without bound)."""


class Fault(Exception):
    """One thing that must never happen, and did."""

    def __init__(self, kind: FaultKind, what: str) -> None:
        super().__init__(what)
        self.kind = kind


@dataclass(frozen=True)
class Result:
    """How one try ended."""

    row: str
    """The row of the table that counts it."""
    case: str
    """Its name: `--case` tries it again."""
    how: str
    """How it ended; what went wrong; or why it was skipped."""
    kind: Literal[FaultKind, "well", "skipped"] = "well"
