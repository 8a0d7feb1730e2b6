"""Work in separate processes: a crash or a hang ends one task, and none of the others."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
CONTEXT = multiprocessing.get_context("spawn")  # torch and JAX do not survive a fork


@dataclass
class Worker:
    """A process, its current task, and when that began."""

    process: SpawnProcess
    pipe: Connection
    task: Any
    began: float
    done: int = 0
    """The number of tasks that it has done."""


def work_off(
    work: Callable[[T], R], tasks: Sequence[T], seconds: float, processes: int
) -> Iterator[tuple[T, R | str]]:
    """Every task with its result, as they come. Where its process crashes, or needs more than
    `seconds`, the result is a text that says so.

    `work` is called in the other processes, so it must be possible to pickle it.
    """
    waiting = list(reversed(tasks))
    workers: list[Worker] = []
    result: Any = None
    try:
        while waiting or workers:
            while waiting and len(workers) < processes:
                workers.append(_start(work, waiting.pop()))
            ready = wait([worker.pipe for worker in workers], timeout=1.0)
            for worker in list(workers):
                task, died = worker.task, True
                if worker.pipe in ready:
                    with contextlib.suppress(EOFError, ConnectionError):
                        result, died = worker.pipe.recv(), False
                elif monotonic() - worker.began < seconds:
                    continue
                if died or not waiting:
                    _stop(worker)
                    workers.remove(worker)
                else:
                    worker.task, worker.began = waiting.pop(), monotonic()
                    worker.done += 1
                    worker.pipe.send(worker.task)
                if not died:
                    yield task, result
                elif worker.pipe not in ready:
                    yield task, f"no end after {seconds:g} s"
                elif worker.done:  # an earlier task may be to blame: try again in a new process
                    waiting.append(task)
                else:
                    yield task, "the process ended"
    finally:
        for worker in workers:
            _stop(worker)


def _start(work: Callable[[T], R], task: T) -> Worker:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_work, args=(work, theirs), daemon=True)
    process.start()
    theirs.close()
    ours.send(task)
    return Worker(process, ours, task, monotonic())


def _stop(worker: Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _work(work: Callable[[T], R], pipe: Connection) -> None:
    """Do tasks in a separate process, until the pipe is closed."""
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(work(pipe.recv()))
