"""Tests too slow for `tests`: killed trainings, corrupted checkpoints, strings of all Unicode, and
hostile surroundings."""

from collections.abc import Callable
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


def attempt(row: str, case: str, act: Callable[[], str], about: str = "") -> Result:
    """The result of one try. `act` returns how it ended well; every exception is a fault."""
    try:
        return Result(row, case, act())
    except Fault as fault:
        return Result(row, case, f"{about}{fault}", fault.kind)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a Rust panic is no Exception
        return Result(row, case, f"{about}{type(error).__name__}: {error}", "traceback")
