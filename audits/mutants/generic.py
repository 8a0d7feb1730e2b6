"""Mutants made by operators on the sources: a random sample of all possible ones.

Exit status 1 if the suite kills less than 95 % of a backend's mutants, not counting those noted as
equivalent, or if a healthy copy fails.
"""

from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from audits.mutants.judging import Verdict
from audits.mutants.mutant import Mutant
from audits.mutants.plant import HEALTHY
from audits.mutants.sampling import Change, as_mutant, check_noted, equivalents, sample, sources_of
from audits.mutants.workers import Task, judge_all

KILLED = 0.95
"""The share that must be killed."""

Judge = Callable[[list[Task], int], Iterator[Verdict]]


def judge_sample(
    count: int,
    seed: int,
    backends: Sequence[str],
    processes: int,
    console: Console,
    judge: Judge = judge_all,
) -> int:
    """Judge `count` mutants in each backend and print the results. Returns the exit status.

    Raises:
        MutantError: a mutation noted as equivalent can no longer be made.
    """
    tasks: list[Task] = []
    changes: dict[tuple[str, str], Change] = {}
    for backend in sorted(backends, key=lambda name: name != "jax"):  # the slowest first
        sources, noted = sources_of(backend), equivalents(backend)
        check_noted(sources, noted, backend)
        tasks.append((Mutant(HEALTHY, "", {backend: ()}, generic=True), backend))
        for i, found in enumerate(sample(sources, count, f"{seed} {backend}", set(noted))):
            mutant = as_mutant(found, f"generic_{seed}_{i}", backend)
            changes[mutant.name, backend] = found
            tasks.append((mutant, backend))
    verdicts = []
    for verdict in judge(tasks, processes):
        verdicts.append(verdict)
        change = changes.get((verdict.mutant, verdict.backend))
        if change is not None and not verdict.killed:
            console.print(Text(f"survived:\n{shown(change, verdict.backend)}\n", "bold red"))
        elif change is None and verdict.killed:
            check, how = next(iter(verdict.fallen.items()))
            console.print(Text(f"the healthy copy of {verdict.backend} fails {check}: {how}"))
    enough = [passes(backend, verdicts, console) for backend in backends]  # report all backends
    return 0 if all(enough) else 1


def passes(backend: str, verdicts: list[Verdict], console: Console) -> bool:
    """Whether enough mutants were killed in a backend, and no healthy copy. Prints the share."""
    own = [verdict for verdict in verdicts if verdict.backend == backend]
    sick = [v for v in own if v.mutant == HEALTHY and v.killed]
    judged = [v for v in own if v.mutant != HEALTHY]
    killed = sum(verdict.killed for verdict in judged)
    share = killed / len(judged) if judged else 0.0
    console.print(
        f"{backend}: {killed} of {len(judged)} killed, {share:.1%}"
        f"{'' if share >= KILLED else f'; {KILLED:.0%} is required'}"
    )
    return not sick and share >= KILLED


def shown(found: Change, backend: str) -> str:
    """The place of a mutation, its operator, and the lines before and after it."""
    head = f"impls/{backend}/{found.place.file}:{found.place.start[0]}  {found.place.scope}"
    old = [f"  - {line}" for line in found.old.splitlines()]
    new = [f"  + {line}" for line in found.new.splitlines()]
    return "\n".join([f"{head}  ({found.place.operator})", *old, *new])
