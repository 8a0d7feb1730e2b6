"""Try hard to lose data: kill trainings, corrupt checkpoints, feed strings of all of Unicode.

Exit status 1 if anything is lost, wrongly accepted, or ends in a traceback. The counts are kept in
build/reliability.json.
"""

import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Literal, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audits.reliability import FaultKind, Result
from audits.reliability.corruptions import try_corruptions
from audits.reliability.hostile import try_hostile
from audits.reliability.strings import try_strings
from audits.reliability.trainings import try_kills
from shared.commands.options import UsageError, parse
from shared.commands.terminal import run_command
from shared.files import write_whole
from shared.sources import ROOT

PROGRAM = "python -m audits.reliability"
Part = Literal["kills", "corruptions", "strings", "hostile"]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
REPORT = ROOT / "build" / "reliability.json"
WIDTH = 120
"""Columns, if there is no terminal that has a width."""
MOST_SHOWN = 10
"""Faults to show per row; the report has all."""


@dataclass(frozen=True)
class Options:
    """What to try, and how often."""

    kills: int = 100
    """Trainings killed: three of five in NumPy, the others in PyTorch and JAX equally."""
    corruptions: int = 5000
    """Checkpoints corrupted and loaded."""
    strings: int = 10_000
    """Strings encoded and decoded by each tokenizer, and shown on a terminal."""
    seed: int = 0
    """Seed of all choices, except those that depend on the clock."""
    only: Part | None = None
    """Run only this part."""
    case: str | None = None
    """Run only this case of the part, as named in the messages."""
    processes: int = 2
    """Tries at a time."""

    def __post_init__(self) -> None:
        for name in ("kills", "corruptions", "strings", "seed", "processes"):
            least = 1 if name == "processes" else 0
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        if self.case is not None and self.only is None:
            raise UsageError("--case needs --only: which part the case is of")


@dataclass(frozen=True)
class Row:
    """Results that are counted together."""

    part: Part
    name: str
    results: list[Result]

    def of_kind(self, *kinds: str) -> list[Result]:
        return [result for result in self.results if result.kind in kinds]

    @property
    def tried(self) -> int:
        return len(self.of_kind("well", *FAULT_KINDS))

    @property
    def endings(self) -> dict[str, int]:
        """The good outcomes, the most frequent first."""
        return dict(Counter(result.how for result in self.of_kind("well")).most_common())

    def to_json(self) -> dict[str, Any]:
        return {
            "name": f"{self.part}: {self.name}",
            "tried": self.tried,
            **{kind: len(self.of_kind(kind)) for kind in FAULT_KINDS},
            "ended well": self.endings,
            "found": [asdict(result) for result in self.of_kind(*FAULT_KINDS)],
            "skipped": [result.how for result in self.of_kind("skipped")],
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Try as the command line asks. Returns the exit status."""
    return run_command(lambda: _try_all(argv))


def _try_all(argv: Sequence[str] | None) -> int:
    options = parse(Options, argv, default=Options(), prog=PROGRAM, description=__doc__ or "")
    began = perf_counter()
    rows: list[Row] = []
    for part in [options.only] if options.only else get_args(Part):
        by_name: dict[str, list[Result]] = {}
        for result in _results_of(part, options):
            by_name.setdefault(result.row, []).append(result)
        rows += [Row(part, name, results) for name, results in by_name.items()]
    seconds = perf_counter() - began
    tried = sum(row.tried for row in rows)
    faults = sum(len(row.of_kind(*FAULT_KINDS)) for row in rows)
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else WIDTH
    _show(console, rows, options.seed)
    console.print(f"{tried:,} tried in {seconds:.0f} s: {faults or 'nothing'} lost")
    if options.case is None:
        counts = {"seconds": round(seconds, 1), "tried": tried, "faults": faults}
        report = {"options": asdict(options), **counts, "rows": [row.to_json() for row in rows]}
        REPORT.parent.mkdir(exist_ok=True)
        write_whole(REPORT, json.dumps(report, indent=1) + "\n")
    return 1 if faults else 0


def _results_of(part: Part, options: Options) -> list[Result]:
    seed, case, processes = options.seed, options.case, options.processes
    match part:
        case "kills":
            return try_kills(options.kills, seed, processes, case)
        case "corruptions":
            return try_corruptions(options.corruptions, seed, processes, case)
        case "strings":
            return try_strings(options.strings, seed, case)
        case "hostile":
            return try_hostile(seed, case)


def _show(console: Console, rows: Sequence[Row], seed: int) -> None:
    """The tries down, their outcomes across: every number on the right must be 0."""
    table = Table(title="Nothing is lost: what was tried, and how it ended")
    table.add_column("what", no_wrap=True)
    table.add_column("tried", justify="right")
    table.add_column("ended well")
    for kind in FAULT_KINDS:
        table.add_column(kind, justify="right")
    for row in rows:
        endings = ", ".join(f"{count:,} {how}" for how, count in row.endings.items())
        counts = [len(row.of_kind(kind)) for kind in FAULT_KINDS]
        cells = [Text(str(count), "bold red" if count else "green") for count in counts]
        table.add_row(f"{row.part}: {row.name}", f"{row.tried:,}", endings or "–", *cells)
    console.print(table)
    for why in sorted({result.how for row in rows for result in row.of_kind("skipped")}):
        console.print(f"skipped: {why}", markup=False)
    for row in rows:
        found = sorted(row.of_kind(*FAULT_KINDS), key=lambda result: len(result.case))
        for result in found[:MOST_SHOWN]:
            again = f"{PROGRAM} --only {row.part} --seed {seed} --case {shlex.quote(result.case)}"
            console.print(Text(f"\n{result.kind}: {result.how}\nagain: {again}", "bold red"))


if __name__ == "__main__":
    sys.exit(main())
