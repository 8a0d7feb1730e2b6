"""What a learner is told at a rung."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hint:
    """It says where to look and what often goes wrong, never the line to write."""

    about: str
    """What the rung is, in a few words."""
    where: str
    """Files and functions of impls/exercise."""
    hint: str
