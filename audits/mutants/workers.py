"""Judge many mutants in parallel processes, with a time limit for each."""

import contextlib
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from time import monotonic
from unittest.mock import patch

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
"""For one that survives and meets the whole suite, where every test has its own limit."""

ENVIRONMENT = {  # of the processes
    # On matrices this small, threads only wait for each other.
    **{"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"},
    # Compiled code runs only a few times: optimizing it costs more than it saves.
    "XLA_FLAGS": QUICK,
}

CONTEXT = multiprocessing.get_context("spawn")  # torch and JAX do not survive a fork


@dataclass
class Worker:
    """A process, its current task, and when that began."""

    process: SpawnProcess
    pipe: Connection
    task: Task
    began: float
    done: int = 0
    """The number of mutants it has judged."""


def judge_all(tasks: list[Task], processes: int = 2, first: bool = False) -> Iterator[Verdict]:
    """The verdicts, as they come; if `first`, with only the first check that fails.

    A mutant that hangs or crashes its process counts as killed.
    """
    waiting = list(reversed(tasks))
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as directory,
        patch.dict(os.environ, ENVIRONMENT),
    ):
        workers: list[Worker] = []
        try:
            while waiting or workers:
                while waiting and len(workers) < processes:
                    workers.append(start(waiting.pop(), Path(directory), first))
                ready = wait([worker.pipe for worker in workers], timeout=1.0)
                for worker in list(workers):
                    if worker.pipe in ready:
                        verdict = receive(worker)
                    elif monotonic() - worker.began > (seconds := limit(worker.task)):
                        verdict = fallen(worker, f"no end after {seconds:g} s")
                    else:
                        continue
                    died = "process" in verdict.fallen
                    again = died and worker.pipe in ready and worker.done
                    if again:  # an earlier mutant may have caused this: try in a new process
                        waiting.append(worker.task)
                    if died or not waiting:
                        stop(worker)
                        workers.remove(worker)
                    else:
                        worker.task, worker.began = waiting.pop(), monotonic()
                        worker.done += 1
                        worker.pipe.send(worker.task)
                    if not again:
                        yield verdict
        finally:
            for worker in workers:
                stop(worker)


def start(task: Task, directory: Path, first: bool) -> Worker:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=work, args=(theirs, directory, first), daemon=True)
    process.start()
    theirs.close()
    ours.send(task)
    return Worker(process, ours, task, monotonic())


def stop(worker: Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def limit(task: Task) -> float:
    generic = isinstance(task[0], Mutant) and task[0].generic
    return SECONDS_PER_GENERIC_MUTANT if generic else SECONDS_PER_MUTANT


def receive(worker: Worker) -> Verdict:
    try:
        return worker.pipe.recv()
    except (EOFError, ConnectionError):
        return fallen(worker, "the process ended")


def fallen(worker: Worker, how: str) -> Verdict:
    which, backend = worker.task
    name = which.name if isinstance(which, Mutant) else which or HEALTHY
    seconds = monotonic() - worker.began
    return Verdict(name, backend, {"process": how}, seconds=seconds)


def work(pipe: Connection, directory: Path, first: bool) -> None:
    """Judge mutants in a separate process, until the pipe is closed."""
    with contextlib.suppress(EOFError):
        while True:
            which, backend = pipe.recv()
            own = directory / str(os.getpid())
            mutant = CATALOGUE[which] if isinstance(which, str) else which
            pipe.send(judge(mutant, backend, own, first=first))
