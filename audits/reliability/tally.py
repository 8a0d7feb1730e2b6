"""What was tried, what went wrong, and the command that tries just that again."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

Kind = Literal["lost", "wrongly accepted", "traceback"]
KINDS: tuple[Kind, ...] = ("lost", "wrongly accepted", "traceback")
"""Work that is gone; something damaged taken for whole; an end that explains nothing (a traceback,
a crash, a hang, memory without bound)."""


class Fault(Exception):
    """One thing that must never happen, and did."""

    def __init__(self, kind: Kind, what: str) -> None:
        super().__init__(what)
        self.kind = kind


@dataclass(frozen=True)
class Found:
    """A fault, and where to find it again."""

    kind: Kind
    what: str
    again: str
    """The command that repeats this case alone."""


@dataclass
class Tally:
    """The count of one line of the table."""

    name: str
    tried: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    """How the tries ended, where they ended well."""
    detail: Counter[str] = field(default_factory=Counter)
    """The same, more finely, for the report."""
    found: list[Found] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """What could not be tried on this machine, and why."""

    def count(self, kind: Kind) -> int:
        """How many faults of a kind were found."""
        return sum(fault.kind == kind for fault in self.found)

    def to_json(self) -> dict[str, Any]:
        """All of it, for a program to read."""
        return {
            "name": self.name,
            "tried": self.tried,
            **{kind: self.count(kind) for kind in KINDS},
            "ended well": dict(self.endings.most_common()),
            "in detail": dict(sorted(self.detail.items())),
            "found": [asdict(found) for found in self.found],
            "skipped": self.skipped,
        }

    def add(self, other: "Tally") -> None:
        """Count in what was tried elsewhere."""
        self.tried += other.tried
        self.endings += other.endings
        self.detail += other.detail
        self.found += other.found
        self.skipped += other.skipped


def repeat(part: str, seed: int, case: str) -> str:
    """The command that tries one case again."""
    return f"python -m audits.reliability --only {part} --seed {seed} --case {case}"


def render(tallies: Iterable[Tally]) -> Table:
    """What was tried down, what became of it across. Every number on the right must be 0."""
    table = Table(title="Nothing is lost: what was tried, and how it ended")
    table.add_column("what", no_wrap=True)
    table.add_column("tried", justify="right")
    table.add_column("ended well")
    for kind in KINDS:
        table.add_column(kind, justify="right")
    for tally in tallies:
        endings = ", ".join(f"{number:,} {how}" for how, number in tally.endings.most_common())
        numbers = [tally.count(kind) for kind in KINDS]
        cells = [Text(str(number), "bold red" if number else "green") for number in numbers]
        table.add_row(tally.name, f"{tally.tried:,}", endings or "–", *cells)
    return table
