"""Judge many mutants in parallel processes, with a time limit for each."""

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

from audits.contained import work_off
from audits.mutants.judging import Verdict, judge
from audits.mutants.mutant import Mutant
from conformance.conftest import QUICK

Task = tuple[Mutant, str]
"""A mutant, and the name of a backend."""

SECONDS_PER_MUTANT = 120.0
"""After this time its process is killed, and the mutant counts as killed."""

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
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as directory,
        patch.dict(os.environ, ENVIRONMENT),
    ):
        work = partial(judge_task, Path(directory), first)
        for (mutant, backend), found in work_off(work, tasks, SECONDS_PER_MUTANT, processes):
            if isinstance(found, str):
                found = Verdict(mutant.name, backend, {"process": found})
            yield found


def judge_task(directory: Path, first: bool, task: Task) -> Verdict:
    """Judge a mutant in one of the processes."""
    return judge(*task, directory / str(os.getpid()), first=first)
