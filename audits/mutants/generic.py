"""Mutants made by operators on the sources: a random sample of all possible ones.

Exit status 1 if the suite kills less than 95 % of a backend's mutants, not counting those noted as
equivalent, or if a healthy copy fails.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from audits.mutants.mutant import DECODING, FORWARD, HEALTHY, OPTIMIZER, Edit, Mutant
from audits.mutants.sampling import Change, equivalents, sample, sources_of
from audits.mutants.workers import Task, judge_all

FIRST = {"optim.py": OPTIMIZER, "step.py": OPTIMIZER, "generate.py": DECODING}
"""The checks that run first, by file; for other files FORWARD and equally fast ones. If the mutant
survives, the rest follow."""
KILLED = 0.95
"""The share that must be killed."""


def judge_sample(
    count: int, seed: int, backends: Sequence[str], processes: int, console: Console
) -> int:
    """Judge `count` mutants in each backend and print the results. Returns the exit status.

    Raises:
        MutantError: a mutation noted as equivalent no longer fits the sources.
    """
    tasks: list[Task] = []
    changes: dict[tuple[str, str], Change] = {}
    for backend in sorted(backends, key=lambda name: name != "jax"):  # the slowest first
        sources = sources_of(backend)
        noted = equivalents(backend, sources)
        tasks.append((replace(HEALTHY, generic=True), backend))
        for i, found in enumerate(sample(sources, count, f"{seed} {backend}", noted)):
            edit = Edit(found.place.file, found.source, found.mutated)
            first = FIRST.get(found.place.file, FORWARD)
            name = f"generic_{seed}_{i}"
            mutant = Mutant(name, found.place.operator, {backend: (edit,)}, first, generic=True)
            changes[mutant.name, backend] = found
            tasks.append((mutant, backend))
    killed, status = Counter[str](), 0
    for verdict in judge_all(tasks, processes):
        change = changes.get((verdict.mutant, verdict.backend))
        if change is None and verdict.killed:
            check, how = next(iter(verdict.fallen.items()))
            console.print(Text(f"the healthy copy of {verdict.backend} fails {check}: {how}"))
            status = 1
        elif change is not None and verdict.killed:
            killed[verdict.backend] += 1
        elif change is not None:
            console.print(Text(f"survived:\n{shown(change, verdict.backend)}\n", "bold red"))
    for backend in backends:
        judged = sum(backend == of for _, of in changes)
        share = killed[backend] / judged if judged else 0.0
        enough = "" if share >= KILLED else f"; {KILLED:.0%} is required"
        console.print(f"{backend}: {killed[backend]} of {judged} killed, {share:.1%}{enough}")
        status = 1 if enough else status
    return status


def shown(found: Change, backend: str) -> str:
    """The place of a mutation, its operator, and the lines before and after it."""
    head = f"impls/{backend}/{found.place.file}:{found.place.start[0]}  {found.place.scope}"
    old = [f"  - {line}" for line in found.old.splitlines()]
    new = [f"  + {line}" for line in found.new.splitlines()]
    return "\n".join([f"{head}  ({found.place.operator})", *old, *new])
