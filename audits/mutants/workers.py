"""Judge many mutants in parallel processes, with a time limit for each."""

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

from audits.contained import work_off
from audits.mutants.catalogue import CATALOGUE
from audits.mutants.judging import Verdict, judge
from audits.mutants.mutant import Mutant
from audits.mutants.plant import HEALTHY
from conformance.conftest import QUICK

Task = tuple[str | Mutant | None, str]
"""A mutant, or its name in the catalogue (None: the healthy copy), and the name of a backend."""

SECONDS_PER_MUTANT = 120.0
"""After this time its process is killed, and the mutant counts as killed."""
SECONDS_PER_GENERIC_MUTANT = 1800.0
"""For one that survives and meets the whole suite."""

ENVIRONMENT = {  # of the processes
    # On matrices this small, threads only wait for each other.
    **{"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"},
    # Compiled code runs only a few times: optimizing it costs more than it saves.
    "XLA_FLAGS": QUICK,
}


def judge_all(tasks: list[Task], processes: int = 2, first: bool = False) -> Iterator[Verdict]:
    """The verdicts, as they come; if `first`, with only the first check that fails.

    A mutant that hangs or crashes its process counts as killed.
    """
    generic = any(isinstance(which, Mutant) for which, _ in tasks)
    seconds = SECONDS_PER_GENERIC_MUTANT if generic else SECONDS_PER_MUTANT
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as directory,
        patch.dict(os.environ, ENVIRONMENT),
    ):
        work = partial(judge_task, Path(directory), first)
        for (which, backend), found in work_off(work, tasks, seconds, processes):
            if isinstance(found, str):
                name = which.name if isinstance(which, Mutant) else which or HEALTHY
                yield Verdict(name, backend, {"process": found})
            else:
                yield found


def judge_task(directory: Path, first: bool, task: Task) -> Verdict:
    """Judge a mutant in one of the processes."""
    which, backend = task
    mutant = CATALOGUE[which] if isinstance(which, str) else which
    return judge(mutant, backend, directory / str(os.getpid()), first=first)
