"""Try hard to lose something: kill trainings, corrupt checkpoints, feed strings of all of Unicode.

Exit status 1 if anything is lost, wrongly accepted, or ends in a traceback. The counts are kept in
build/reliability.json.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

from rich.console import Console
from rich.text import Text

from audits.reliability.corruptions import run_corruptions, tally_corruptions
from audits.reliability.disks import FAILURES, run_disk
from audits.reliability.kills import Chain, plan, run_chain, train_unbroken
from audits.reliability.strings import run_strings
from audits.reliability.tally import KINDS, Tally, render
from shared.commands.options import UsageError, parse
from shared.commands.terminal import run_command, say
from shared.protocol import BACKENDS
from shared.sources import ROOT

PROGRAM = "python -m audits.reliability"
PARTS = ("kills", "corruptions", "strings")
REPORT = ROOT / "build" / "reliability.json"
WIDTH = 120
"""Columns, where there is no terminal that has its own number."""


@dataclass(frozen=True)
class Options:
    """How much is tried."""

    kills: int = 100
    """Trainings killed: three of five in NumPy, the others in PyTorch and JAX alike."""
    corruptions: int = 5000
    """Checkpoints corrupted and loaded."""
    strings: int = 10_000
    """Strings encoded and decoded by each tokenizer, and shown on a terminal."""
    seed: int = 0
    """Decides every choice but the moments that the clock has a part in."""
    only: Literal["kills", "corruptions", "strings"] | None = None
    """One part of it."""
    case: str | None = None
    """One case of the part --only, as the messages name it."""
    processes: int = 2
    """How many are tried at a time."""

    def __post_init__(self) -> None:
        for name in ("kills", "corruptions", "strings", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if self.processes < 1:
            raise UsageError(f"processes is {self.processes}; it must be 1 or more")
        if self.case is not None and self.only is None:
            raise UsageError("--case needs --only: which part the case is of")


def main(argv: Sequence[str] | None = None) -> int:
    """Try as the command line says. Returns the exit status."""
    return run_command(lambda: _try_all(argv))


def _try_all(argv: Sequence[str] | None) -> int:
    options = parse(Options, argv, default=Options(), prog=PROGRAM, description=__doc__ or "")
    began = perf_counter()
    tallies: list[Tally] = []
    runs = {"kills": kills, "corruptions": corruptions, "strings": strings}
    for part in [options.only] if options.only else PARTS:
        tallies += runs[part](options)
    if not any(tally.tried or tally.skipped for tally in tallies):
        raise UsageError(f"there is no case {options.case!r} of {options.only}")
    seconds = perf_counter() - began
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else WIDTH
    console.print(render(tallies))
    for tally in tallies:
        for why in sorted(set(tally.skipped)):
            console.print(f"skipped: {why}", markup=False)
        for found in tally.found[:10]:
            console.print(Text(f"\n{found.kind}: {found.what}\nagain: {found.again}", "bold red"))
    lost = sum(len(tally.found) for tally in tallies)
    tried = sum(tally.tried for tally in tallies)
    console.print(f"{tried:,} tried in {seconds:.0f} s: {lost or 'nothing'} lost")
    if options.case is None:
        write_report(options, tallies, seconds)
    return 1 if lost else 0


def kills(options: Options) -> list[Tally]:
    """Trainings killed at random moments, and disks that fail under them."""
    with tempfile.TemporaryDirectory(prefix="reliability-") as name:
        return list(_kills(options, Path(name)))


def _kills(options: Options, directory: Path) -> Iterator[Tally]:
    chains = plan(options.kills)
    disks = [f"{backend}:{failure}" for backend in BACKENDS for failure in FAILURES]
    if options.case is not None:
        backend, _, which = options.case.partition("-")
        disks = [case for case in disks if case == options.case]
        chains = [Chain(options.case)] if backend in BACKENDS and which.isdecimal() else []
    if options.kills == 0:
        disks = []
    backends = {chain.backend for chain in chains} | {case.partition(":")[0] for case in disks}
    with ThreadPoolExecutor(options.processes) as pool:
        say("training what nothing happens to: all others must come to the same")
        futures = {b: pool.submit(train_unbroken, b, directory / b) for b in sorted(backends)}
        unbroken = {backend: future.result() for backend, future in futures.items()}

        def chain(one: Chain) -> Tally:
            where = directory / one.name
            return _said(run_chain(one, options.seed, unbroken[one.backend], where))

        def disk(case: str) -> Tally:
            backend, _, failure = case.partition(":")
            where = directory / f"{backend}-{failure}"
            return _said(run_disk(case, options.seed, unbroken[backend], where))

        results = [*pool.map(chain, chains), *pool.map(disk, disks)]
    tallies: dict[str, Tally] = {}
    for tally in results:
        tallies.setdefault(tally.name, Tally(tally.name)).add(tally)
    yield from (tallies[name] for name in sorted(tallies, key=_order))


def _said(tally: Tally) -> Tally:
    say(f"{tally.name}: {tally.tried} tried, {len(tally.found)} lost")
    return tally


def _order(name: str) -> int:
    names = [*(f"kills: {backend}" for backend in BACKENDS), "disks that fail"]
    return names.index(name)


def corruptions(options: Options) -> list[Tally]:
    """Corrupted checkpoints."""
    say("corrupting checkpoints")
    cases: Sequence[int] = range(options.corruptions)
    if options.case is not None:
        cases = [number(options.case)]
    results = run_corruptions(cases, options.seed, options.processes)
    return tally_corruptions(results, options.seed)


def strings(options: Options) -> list[Tally]:
    """Strings."""
    say("encoding and decoding strings")
    if options.case is not None:
        number(options.case.partition("-")[2])
    return list(run_strings(options.strings, options.seed, options.case))


def number(case: str) -> int:
    """The number of a case. Raises `UsageError` if it is none."""
    if not case.isdecimal():
        raise UsageError(
            f"{case!r} is no case: it is a number, after a kind and - where there are any"
        )
    return int(case)


def write_report(options: Options, tallies: Sequence[Tally], seconds: float) -> None:
    """Keep the counts as JSON."""
    table: dict[str, object] = {
        "options": asdict(options),
        "seconds": round(seconds, 1),
        "tried": sum(tally.tried for tally in tallies),
        **{kind: sum(tally.count(kind) for tally in tallies) for kind in KINDS},
        "rows": [tally.to_json() for tally in tallies],
    }
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
