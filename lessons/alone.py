"""Running a function in a process of its own, and measuring what that process used."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from shared.errors import BackendError

P = ParamSpec("P")
T = TypeVar("T")


def run_alone(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a new process and give back what it returns or raises.

    Each of the three libraries keeps a pool of threads; in one process they would fight for the
    cores, and no time that is measured would be any library's own.

    Raises:
        BackendError: the process ended without an answer.
    """
    # "spawn" starts a new Python; a fork would begin with this process's modules and memory.
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool:
            given = ", ".join(str(arg) for arg in args if isinstance(arg, str))
            raise BackendError(
                f"the process of {given} ended without an answer; perhaps memory ran out"
            ) from None


def peak_memory() -> int | None:
    """The most memory this process ever held (resident), in bytes; None where it is not counted."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
