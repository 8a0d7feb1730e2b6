"""Work in separate processes: a crash or a hang ends one task, and none of the others."""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from time import monotonic
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
CONTEXT = multiprocessing.get_context("spawn")  # torch and JAX do not survive a fork


def work_off(
    work: Callable[[T], R], tasks: Sequence[T], seconds: float, processes: int
) -> Iterator[tuple[T, R | str]]:
    """Every task with its result, as they come; where it fails, crashes its process, or needs more
    than `seconds`, a text that says so. It must be possible to pickle `work`."""
    own = threading.local()  # a process for each thread

    def attempt(task: T) -> tuple[T, R | str]:
        while True:
            used = hasattr(own, "pool")
            if not used:
                own.pool = pools.enter_context(ProcessPoolExecutor(1, CONTEXT))
            began = monotonic()
            try:
                return task, own.pool.submit(_work, work, task, seconds).result()
            except BrokenProcessPool:
                del own.pool
            except Exception as error:
                return task, f"{type(error).__name__}: {error}"
            if monotonic() - began >= seconds:
                return task, f"no end after {seconds:g} s"
            if not used:  # otherwise an earlier task may be to blame: try again in a new process
                return task, "the process ended"

    with ExitStack() as pools, ThreadPoolExecutor(processes) as threads:
        attempts = [threads.submit(attempt, task) for task in tasks]
        try:
            for each in as_completed(attempts):
                yield each.result()
        finally:
            threads.shutdown(cancel_futures=True)


def _work(work: Callable[[T], R], task: T, seconds: float) -> R:
    """Do a task in one of the processes, which an alarm ends when the time is up."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work(task)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
