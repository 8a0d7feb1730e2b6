"""Try hard to lose data: kill trainings, and corrupt checkpoints.

Exit status 1 if anything is lost, wrongly accepted, or ends in a traceback.
"""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from tyro.conf import FlagCreatePairsOff

from audits.readme import README, update_readme
from audits.reliability import Result
from audits.reliability.corruptions import try_corruptions
from audits.reliability.trainings import try_kills
from lessons.command import command
from shared.commands.options import UsageError
from shared.commands.terminal import escape_controls

PROGRAM = "python -m audits.reliability"
Part = Literal["kills", "corruptions"]


@dataclass(frozen=True)
class Options:
    kills: int = 100
    """Trainings killed: three of five in NumPy, the others in PyTorch and JAX equally."""
    corruptions: int = 5000
    """Checkpoints corrupted and loaded."""
    seed: int = 0
    """Seed of all choices, except those that depend on the clock."""
    only: Part | None = None
    """Run only this part."""
    case: str | None = None
    """Run only this case of the part, as named in the messages."""
    processes: int = 2
    """Tries at a time."""
    update_readme: FlagCreatePairsOff[bool] = False
    """Write the counts into README.md. Everything must be tried for it."""

    def __post_init__(self) -> None:
        for name in ("kills", "corruptions", "seed", "processes"):
            least = 1 if name == "processes" else 0
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {least} or more")
        if self.case is not None and self.only is None:
            raise UsageError("--case needs --only: which part the case is of")


@command
def main(options: Options) -> int:
    whole = Options(seed=options.seed, processes=options.processes, update_readme=True)
    if options.update_readme and options != whole:
        raise UsageError("--update-readme needs all that is tried by default")
    began, seed, processes, case = perf_counter(), options.seed, options.processes, options.case
    parts: dict[Part, Callable[[], list[Result]]] = {
        "kills": lambda: try_kills(options.kills, seed, processes, case),
        "corruptions": lambda: try_corruptions(options.corruptions, seed, processes, case),
    }
    found = {part: parts[part]() for part in parts if options.only in (None, part)}
    table = markdown(found)
    print(table)
    faults = [(part, each) for part, results in found.items() for each in results if each.fault]
    tried, lost = sum(map(len, found.values())), len(faults)
    print(f"{tried:,} tried in {perf_counter() - began:.0f} s: {lost or 'nothing'} lost")
    if options.update_readme:
        update_readme(README, "reliability", table)
    for part, each in sorted(faults, key=lambda fault: len(fault[1].case))[:10]:
        again = f"{PROGRAM} --only {part} --seed {seed} --case {shlex.quote(each.case)}"
        print(escape_controls(f"\n{each.row}: {each.how}\nagain: {again}"))
    return 1 if lost else 0


def markdown(found: dict[Part, list[Result]]) -> str:
    """The table, also for README.md: what was tried, and how often it ended badly."""
    lines = ["| part | tried | work lost | tracebacks |", "|---|--:|--:|--:|"]
    for part, results in found.items():
        faults = [result for result in results if result.fault]
        tracebacks = sum("Traceback" in fault.how for fault in faults)
        lost = len(faults) - tracebacks  # a damaged file that was accepted is work lost, too
        lines.append(f"| {part} | {len(results):,} | {lost:,} | {tracebacks:,} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
