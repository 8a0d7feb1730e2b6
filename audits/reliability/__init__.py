"""Tests too slow for `tests`: killed trainings and corrupted checkpoints."""

from collections.abc import Callable
from dataclasses import dataclass


class Fault(Exception):
    """Work is lost, a damaged file is accepted, or something ends without an explanation."""


@dataclass(frozen=True)
class Result:
    row: str
    """What was tried."""
    case: str
    """Its name: `--case` repeats it."""
    how: str
    """How it ended well, or what went wrong."""
    fault: bool = False


def attempt(row: str, case: str, act: Callable[[], str]) -> Result:
    """The result of one try. `act` returns how it ended well; every exception is a fault."""
    try:
        return Result(row, case, act())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a Rust panic is no Exception
        kind = "" if isinstance(error, Fault) else f"Traceback: {type(error).__name__}: "
        return Result(row, case, f"{kind}{error}", fault=True)
