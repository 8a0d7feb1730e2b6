"""The help for a rung."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hint:
    """It says where to look and what often goes wrong, never the line to write."""

    about: str
    """A short description of the rung."""
    where: str
    """Files and functions of impls/exercise."""
    hint: str
