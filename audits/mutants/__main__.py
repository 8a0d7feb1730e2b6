"""The kill matrix: every mutant against the suite, and every check against the mutants.

Exit status 1 if a mutant survives, or if a check kills none.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, UseAppendAction, arg

from audits.mutants.catalogue import CATALOGUE, find
from audits.mutants.elsewhere import told
from audits.mutants.generic import judge_sample
from audits.mutants.judging import Verdict
from audits.mutants.plant import HEALTHY, MutantError
from audits.mutants.report import fingerprint, write_report
from audits.mutants.workers import Task, judge_all
from shared.commands.options import parse
from shared.commands.terminal import run_command, say
from shared.protocol import BACKENDS

PROGRAM = "nox -s mutants --"
LINES_EVERY = 50
"""Verdicts between two lines of progress."""
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
    processes, console = max(1, options.processes), Console(highlight=False)
    console.width = console.width if console.is_terminal else WIDTH
    if options.generic:
        if options.generic < 0 or options.names or options.first:
            raise MutantError(
                "--generic takes how many mutants to draw, and no names or --first beside it"
            )
        return judge_sample(options.generic, options.seed, backends, processes, console)
    judged_sources = fingerprint()  # before judging: later edits are not judged
    verdicts = run(tasks(names, backends, healthy=not options.first), processes, options.first)
    if not options.first:
        write_report(judged_sources, verdicts)
        console.print(render(verdicts, backends))
    whole = not (options.first or options.names) and set(backends) == set(BACKENDS)
    judged = [v for v in verdicts if v.mutant != HEALTHY]
    troubles = {
        "the healthy copy fails": [
            f"{v.backend}: {check}: {how}"
            for v in verdicts
            if v.mutant == HEALTHY
            for check, how in v.fallen.items()
        ],
        "survived": [f"{v.mutant} in {v.backend}" for v in judged if not v.killed],
    }
    if whole:
        troubles["checks that killed nothing"] = idle_checks(verdicts)
    for what, which in troubles.items():
        if which:
            console.print(Text(f"{what}: {', '.join(which)}", "bold red"))
    console.print(f"{sum(v.killed for v in judged)} of {len(judged)} killed")
    if not options.first:
        console.print(told(judged))
    return 1 if any(troubles.values()) else 0


def tasks(names: Sequence[str], backends: Sequence[str], healthy: bool) -> list[Task]:
    """The slowest first, with the healthy copy of each backend, which must not fail."""
    order = sorted(backends, key=lambda backend: backend != "jax")
    mutants = [(n, b) for b in order for n in names if b in CATALOGUE[n].edits]
    return [*mutants, *((None, b) for b in order if healthy)]


def run(wanted: list[Task], processes: int, first: bool) -> list[Verdict]:
    """All verdicts, in the catalogue's order. Occasional lines show progress."""
    found = []
    for verdict in judge_all(wanted, processes, first):
        found.append(verdict)
        if len(found) % LINES_EVERY == 0:
            say(f"judged {len(found)} of {len(wanted)}")
    order = [HEALTHY, *CATALOGUE]
    return sorted(found, key=lambda v: (order.index(v.mutant), BACKENDS.index(v.backend)))


def idle_checks(verdicts: Sequence[Verdict]) -> list[str]:
    """Checks of the suite that saw mutants and killed none."""
    seen = {check for v in verdicts for check in v.passed}
    deadly = {check for v in verdicts if v.mutant != HEALTHY for check in v.fallen}
    return sorted(seen - deadly)


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
