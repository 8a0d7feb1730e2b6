"""Try hard to lose data: kill trainings, corrupt checkpoints, feed strings of all of Unicode, and
meet hostile surroundings (closed terminals, planted links, odd metrics and texts).

Exit status 1 if anything is lost, wrongly accepted, or ends in a traceback. The counts are kept in
build/reliability.json.
"""

import json
import shlex
import sys
from collections import Counter, defaultdict
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
    """Run only this part. hostile: 50 terminals closed, 7 links planted, 500 files of metrics, 32
    texts within a limit of memory, 3 times two trainings at once."""
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

    def results_of(self, part: Part) -> list[Result]:
        """Try everything in one part."""
        match part:
            case "kills":
                return try_kills(self.kills, self.seed, self.processes, self.case)
            case "corruptions":
                return try_corruptions(self.corruptions, self.seed, self.processes, self.case)
            case "strings":
                return try_strings(self.strings, self.seed, self.case)
            case "hostile":
                return try_hostile(self.seed, self.case)


def main(argv: Sequence[str] | None = None) -> int:
    """Try as the command line asks. Returns the exit status."""
    return run_command(lambda: _try_all(argv))


def _try_all(argv: Sequence[str] | None) -> int:
    options = parse(Options, argv, default=Options(), prog=PROGRAM, description=__doc__ or "")
    began = perf_counter()
    rows: list[dict[str, Any]] = []
    for part in [options.only] if options.only else get_args(Part):
        by_name = defaultdict(list)
        for result in options.results_of(part):
            by_name[result.row].append(result)
        again = f"{PROGRAM} --only {part} --seed {options.seed} --case"
        rows += [_row(f"{part}: {name}", results, again) for name, results in by_name.items()]
    seconds = perf_counter() - began
    tried, faults = (sum(row[column] for row in rows) for column in ("tried", "faults"))
    _show(rows)
    print(f"{tried:,} tried in {seconds:.0f} s: {faults or 'nothing'} lost")
    if options.case is None:
        counts = {"seconds": round(seconds, 1), "tried": tried, "faults": faults}
        report = {"options": asdict(options), **counts, "rows": rows}
        REPORT.parent.mkdir(exist_ok=True)
        write_whole(REPORT, json.dumps(report, indent=1) + "\n")
    return 1 if faults else 0


def _row(name: str, results: Sequence[Result], again: str) -> dict[str, Any]:
    """A row of the table. `again` is the command that repeats a case."""
    kinds = Counter(result.kind for result in results)
    found = [result for result in results if result.kind in FAULT_KINDS]
    endings = Counter(result.how for result in results if result.kind == "well")
    return {
        "name": name,
        "tried": len(results) - kinds["skipped"],
        **{kind: kinds[kind] for kind in FAULT_KINDS},
        "faults": len(found),
        "ended well": dict(endings.most_common()),
        "found": [asdict(each) | {"again": f"{again} {shlex.quote(each.case)}"} for each in found],
        "skipped": [result.how for result in results if result.kind == "skipped"],
    }


def _show(rows: Sequence[dict[str, Any]]) -> None:
    """The tries down, their outcomes across: every number on the right must be 0."""
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else WIDTH
    table = Table(title="Nothing is lost: what was tried, and how it ended")
    table.add_column("what", no_wrap=True)
    table.add_column("tried", justify="right")
    table.add_column("ended well")
    for kind in FAULT_KINDS:
        table.add_column(kind, justify="right")
    for row in rows:
        endings = ", ".join(f"{count:,} {how}" for how, count in row["ended well"].items())
        counts = [
            Text(str(row[kind]), "bold red" if row[kind] else "green") for kind in FAULT_KINDS
        ]
        table.add_row(row["name"], f"{row['tried']:,}", endings or "–", *counts)
    console.print(table)
    for why in sorted({why for row in rows for why in row["skipped"]}):
        console.print(f"skipped: {why}", markup=False)
    for row in rows:
        for each in sorted(row["found"], key=lambda each: len(each["case"]))[:MOST_SHOWN]:
            text = f"\n{each['kind']}: {each['how']}\nagain: {each['again']}"
            console.print(Text(text, "bold red"), soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
