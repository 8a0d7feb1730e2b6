"""Plant one bug, run the suite on it, and show what a student would see.

The sources stay as they are: the bug is planted in a copy.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import FlagCreatePairsOff, Positional, arg

from audits.mutants.catalogue import CATALOGUE, check_backend, find
from audits.mutants.judging import judge
from audits.mutants.mutant import Mutant
from audits.mutants.plant import MutantError, diff
from audits.mutants.report import Verdict
from lessons.command import command
from shared.protocol import BACKENDS

PROGRAM = "nox -s break --"
CHARACTERS = 700
"""How much of a message is shown."""


@dataclass(frozen=True)
class Options:
    """The bug, and the backend to plant it in."""

    name: Annotated[Positional[str], arg(metavar="NAME")] = ""
    """The bug, as --list names it."""
    backend: Annotated[str, arg(metavar="|".join(BACKENDS))] = ""
    """Where to plant it. By default the first backend that can have it."""
    list: FlagCreatePairsOff[bool] = False
    """List all bugs."""


@command
def main(options: Options) -> int:
    console = Console(highlight=False)
    if options.list:
        console.print(listing())
        return 0
    if not options.name:
        raise MutantError("which bug? `nox -s break -- --list` lists them")
    mutant = find(options.name)
    backend = check_backend(options.backend or next(iter(mutant.edits)))
    if backend not in mutant.edits:
        raise MutantError(f"{mutant.name} is in {', '.join(mutant.edits)}, not in {backend}")
    print_bug(console, mutant, backend)
    healthy = tuple(name for name in BACKENDS if name != backend)
    Console(stderr=True).print(f"the suite judges it beside {' and '.join(healthy)} …")
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        verdict = judge(mutant, backend, Path(directory), beside=healthy)
    print_verdict(console, verdict)
    return 0


def listing() -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("bug", "backends", "the mistake"):
        table.add_column(heading, no_wrap=heading != "the mistake")
    for mutant in CATALOGUE.values():
        where = "all" if len(mutant.edits) == len(BACKENDS) else ", ".join(mutant.edits)
        table.add_row(mutant.name, where, mutant.story)
    return table


def print_bug(console: Console, mutant: Mutant, backend: str) -> None:
    console.print(Text(f"{mutant.name} in {backend}", "bold"))
    console.print(Text(mutant.story))
    for source in mutant.seen:
        console.print(Text(f"seen in {source.repository} {source.thread}: {source.what}", "dim"))
    console.print()
    for line in diff(mutant, backend):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        console.print(Text(line, style))
    console.print()


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Which checks failed, with the whole message of those that locate the difference."""
    total = len(verdict.fallen) + len(verdict.passed)
    console.print(Text(f"{len(verdict.fallen)} of {total} checks fell", "bold"))
    for check in verdict.fallen:
        console.print(Text(f"  ✗ {check}", "red"))
    if not verdict.killed:
        console.print("the bug survived: the suite has a hole")
        return
    locating = ("::test_taps", "::test_gradients")
    located = [check for check in verdict.fallen if check.endswith(locating)]
    for check in (located or list(verdict.fallen))[:2]:
        message = verdict.fallen[check].partition(": ")[2] or verdict.fallen[check]
        shown = message if len(message) <= CHARACTERS else f"{message[:CHARACTERS]} …"
        console.print(Text(f"\n{check}", "bold"))
        console.print(Text(shown))


if __name__ == "__main__":
    sys.exit(main())
