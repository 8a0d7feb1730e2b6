"""The kill matrix: every mutant against the suite, and every check against the mutants.

Exit status 1 if a mutant survives, if a check kills none and has no reason to be kept, or if a
caught error is smaller than the smallest that conformance/limits.py names.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, UseAppendAction, arg

from audits.mutants.catalogue import CATALOGUE, JUSTIFIED, find
from audits.mutants.elsewhere import told
from audits.mutants.generic import judge_sample
from audits.mutants.judging import Verdict
from audits.mutants.plant import MutantError
from audits.mutants.report import fingerprint, write_report
from audits.mutants.workers import Task, judge_all
from conformance.limits import EXACT, ORDER, SMALLEST_MUTANT
from shared.commands.options import parse
from shared.commands.terminal import run_command, say
from shared.protocol import BACKENDS

PROGRAM = "nox -s mutants --"
LINES_EVERY = 50
"""Verdicts between two progress lines, if there is no terminal for a bar."""
WIDTH = 110
"""Columns, if there is no terminal that has a width."""


@dataclass(frozen=True)
class Options:
    """The mutants and backends to judge."""

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Mutants, by default all."""
    backend: UseAppendAction[tuple[Literal["numpy", "torch", "jax"], ...]] = field(default=())
    """A backend to plant them in; repeatable. By default all three."""
    first: bool = False
    """Stop each mutant at the first check that fails. Writes no matrix and no report."""
    processes: int = 2
    """Mutants judged at a time."""
    generic: int = 0
    """Instead, judge this many random mutants per backend, made by mutation operators."""
    seed: int = 0
    """Seed of the draw of --generic."""


def main(argv: Sequence[str] | None = None) -> int:
    """Judge mutants as the command line asks. Returns the exit status."""
    return run_command(lambda: _matrix(argv))


def _matrix(argv: Sequence[str] | None) -> int:
    options = parse(Options, argv, default=Options(), prog=PROGRAM, description=__doc__ or "")
    names = [find(name).name for name in options.names] or list(CATALOGUE)
    backends = options.backend or BACKENDS
    processes = max(1, options.processes)
    if options.generic:
        if options.generic < 0 or options.names or options.first:
            raise MutantError(
                "--generic takes how many mutants to draw, and no names or --first beside it"
            )
        return judge_sample(options.generic, options.seed, backends, processes, terminal())
    if options.first:
        return judge_quickly(tasks(names, backends, healthy=False), processes)
    judged_sources = fingerprint()  # before judging: later edits are not judged
    verdicts = run(tasks(names, backends), processes)
    write_report(judged_sources, verdicts)
    whole = not options.names and set(backends) == set(BACKENDS)
    console = terminal()
    console.print(render(verdicts, backends))
    survivors = [
        f"{v.mutant} in {v.backend}" for v in verdicts if not v.killed and v.mutant != "healthy"
    ]
    sick = [
        f"{v.backend}: {check}: {how}"
        for v in verdicts
        if v.mutant == "healthy"
        for check, how in v.fallen.items()
    ]
    idle = [check for check in idle_checks(verdicts) if check not in JUSTIFIED] if whole else []
    stale = stale_limits(verdicts) if whole else []
    for what, which in (
        ("the healthy copy fails", sick),
        ("survived", survivors),
        ("checks that killed nothing", idle),
        ("smaller than conformance/limits.py has it in SMALLEST_MUTANT", stale),
    ):
        if which:
            console.print(Text(f"{what}: {', '.join(which)}", "bold red"))
    judged = [v for v in verdicts if v.mutant != "healthy"]
    console.print(f"{sum(v.killed for v in judged)} of {len(judged)} killed")
    for verdict in judged:
        if verdict.killed and not verdict.single:
            largest = max(verdict.errors.values(), default=math.nan)
            console.print(
                f"not seen in float32: {verdict.mutant} in {verdict.backend}, "
                f"largest error in float64 {largest:.1e}"
            )
    console.print(told(judged))
    for check in idle_checks(verdicts) if whole else ():
        console.print(f"kept without a kill: {check}: {JUSTIFIED.get(check, 'no reason is given')}")
    return 1 if survivors or sick or idle or stale else 0


def judge_quickly(wanted: list[Task], processes: int) -> int:
    """Name the mutants that survive. Returns the exit status."""
    verdicts = run(wanted, processes, first=True)
    survivors = [f"{v.mutant} in {v.backend}" for v in verdicts if not v.killed]
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} killed")
    if survivors:
        print(f"survived: {', '.join(survivors)}")
    return 1 if survivors else 0


def terminal() -> Console:
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else WIDTH
    return console


def tasks(names: Sequence[str], backends: Sequence[str], healthy: bool = True) -> list[Task]:
    """The slowest first, with the healthy copy of each backend, which must not fail."""
    order = sorted(backends, key=lambda backend: backend != "jax")
    mutants = [(n, b) for b in order for n in names if b in CATALOGUE[n].edits]
    return [*mutants, *((None, b) for b in order if healthy)]


def run(wanted: list[Task], processes: int, first: bool = False) -> list[Verdict]:
    """All verdicts, in the catalogue's order. A bar or occasional lines show progress."""
    progress = Console(stderr=True)
    found = []
    judged = judge_all(wanted, processes, first)
    for verdict in track(judged, "judging", len(wanted), console=progress, transient=True):
        found.append(verdict)
        if not progress.is_terminal and len(found) % LINES_EVERY == 0:
            say(f"judged {len(found)} of {len(wanted)}")
    order = ["healthy", *CATALOGUE]
    return sorted(found, key=lambda v: (order.index(v.mutant), BACKENDS.index(v.backend)))


def idle_checks(verdicts: Sequence[Verdict]) -> list[str]:
    """Checks of the suite that saw mutants and killed none."""
    seen = {check for v in verdicts for check in v.passed}
    deadly = {check for v in verdicts if v.mutant != "healthy" for check in v.fallen}
    return sorted(seen - deadly)


def smallest_errors(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """The smallest error caught in every row of the table with a limit above 0."""
    smallest: dict[str, float] = {}
    for verdict in verdicts:
        for check, error in verdict.errors.items():
            if check not in EXACT:
                smallest[check] = min(error, smallest.get(check, math.inf))
    return {check: smallest[check] for check in ORDER if check in smallest}


def stale_limits(verdicts: Sequence[Verdict]) -> list[str]:
    """The lines of `limits.SMALLEST_MUTANT` that are too large: a caught error is smaller by more
    than a third. (Rounding moves errors that are just above a limit across it and back.)"""
    found = smallest_errors(verdicts)
    noted = {check: errors["float64"] for check, errors in SMALLEST_MUTANT.items()}
    return [
        f'"{check}": {{"float64": {error:.1e}}}'
        for check, error in found.items()
        if error < noted.get(check, math.inf) * 2 / 3
    ]


def render(verdicts: Sequence[Verdict], backends: Sequence[str]) -> Table:
    """Mutants down, backends across: how many checks failed, and the first of them."""
    table = Table(
        title="How many checks fell, and the first",
        caption="– has no such bug; ✗ survived",
        expand=True,
    )
    table.add_column("mutant", no_wrap=True, min_width=20)
    for backend in backends:
        table.add_column(backend, overflow="ellipsis", no_wrap=True, ratio=1)
    by_task = {(v.mutant, v.backend): v for v in verdicts}
    for name in CATALOGUE:
        if any((name, backend) in by_task for backend in backends):
            table.add_row(name, *(cell(by_task.get((name, backend))) for backend in backends))
    return table


def cell(verdict: Verdict | None) -> Text:
    if verdict is None:
        return Text("–", "dim")
    if not verdict.killed:
        return Text("✗ survived", "bold red")
    first = next(iter(verdict.fallen)).rpartition("::")[2].removeprefix("test_")
    return Text(f"{len(verdict.fallen):2} {first}")


if __name__ == "__main__":
    sys.exit(main())
