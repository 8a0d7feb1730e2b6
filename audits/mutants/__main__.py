"""All mutants against the suite, and every check against the mutants.

Exit status 1 if a mutant survives, or if a check kills none. The matrix of all bugs and all checks
is a page of the site, `nox -s docs`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from rich.console import Console
from rich.text import Text
from tyro.conf import Positional, UseAppendAction, arg

from audits.mutants.catalogue import CATALOGUE, find
from audits.mutants.judging import Task, judge_all
from audits.mutants.mutant import HEALTHY
from audits.mutants.report import Verdict, fingerprint, told, write_report
from lessons.command import command
from shared.commands.options import UsageError
from shared.protocol import BACKENDS

PROGRAM = "nox -s mutants --"


@dataclass(frozen=True)
class Options:
    """The mutants and backends to judge."""

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Mutants, by default all."""
    backend: UseAppendAction[tuple[Literal["numpy", "torch", "jax"], ...]] = field(default=())
    """A backend to plant them in; repeatable. By default all three."""
    first: bool = False
    """Stop each mutant at the first check that fails. Writes no report."""
    remember: bool = False
    """Store the verdicts with the sources: the site shows them, and --first begins with the check
    that found each mutant."""
    processes: int = 2
    """Mutants judged at a time."""


@command
def main(options: Options) -> int:
    if options.first and options.remember:
        raise UsageError("--remember stores the results of all checks: use it without --first")
    mutants = [find(name) for name in options.names] or list(CATALOGUE.values())
    backends = options.backend or BACKENDS
    processes, console = max(1, options.processes), Console(highlight=False, soft_wrap=True)
    judged_sources = fingerprint()  # before judging: later edits are not judged
    wanted: list[Task] = [
        (mutant, backend)
        for backend in sorted(backends, key=lambda each: each != "jax")  # the slowest first
        for mutant in (mutants if options.first else [*mutants, HEALTHY])
        if backend in mutant.edits
    ]
    verdicts = []
    for verdict in judge_all(wanted, processes, options.first):
        verdicts.append(verdict)
        console.print(Text(f"{len(verdicts)}/{len(wanted)}  {line(verdict)}"))
    if not options.first:
        write_report(judged_sources, verdicts, remember=options.remember)
    whole = not (options.first or options.names) and set(backends) == set(BACKENDS)
    judged = [v for v in verdicts if v.mutant != HEALTHY.name]
    troubles = {
        "the healthy copy fails": [
            f"{v.backend}: {check}: {how}"
            for v in verdicts
            if v.mutant == HEALTHY.name
            for check, how in v.fallen.items()
        ],
        "survived": [f"{v.mutant} in {v.backend}" for v in judged if not v.killed],
        "checks that killed nothing": idle_checks(verdicts) if whole else [],
    }
    for what, which in troubles.items():
        if which:
            console.print(Text(f"{what}: {', '.join(which)}", "bold red"))
    console.print(f"{sum(v.killed for v in judged)} of {len(judged)} killed")
    if not options.first:
        console.print(told(judged))
    return 1 if any(troubles.values()) else 0


def idle_checks(verdicts: Sequence[Verdict]) -> list[str]:
    """Checks of the suite that saw mutants and killed none."""
    seen = {check for v in verdicts for check in v.passed}
    deadly = {check for v in verdicts if v.mutant != HEALTHY.name for check in v.fallen}
    return sorted(seen - deadly)


def line(verdict: Verdict) -> str:
    """How many checks fell, and the first of them."""
    fell = [f"{len(verdict.fallen)} fell, first {check}" for check in verdict.fallen]
    return f"{verdict.mutant} in {verdict.backend}: {fell[0] if fell else 'none fell'}"


if __name__ == "__main__":
    sys.exit(main())
