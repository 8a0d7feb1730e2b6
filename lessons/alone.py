"""Run a function in a separate process, and measure its memory."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from shared.commands.terminal import OK
from shared.commands.train import train_main
from shared.errors import BackendError, RunError

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def in_process() -> Iterator[Callable[..., Any]]:
    """A function `call(function, *args)`, whose calls are all made in one new process.

    Each of the three libraries has a pool of threads; in one process they would compete for the
    cores, and distort all measured times. `call` raises what the function raises, and
    `BackendError` if the process ended without an answer."""
    # "spawn" starts a new Python; a fork would begin with this process's modules and memory.
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:

        def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return pool.submit(function, *args, **kwargs).result()
            except BrokenProcessPool:
                given = ", ".join(str(arg) for arg in args if isinstance(arg, str))
                raise BackendError(
                    f"the process of {given} ended without an answer; perhaps memory ran out"
                ) from None

        yield call


def run_alone(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a new process, and return what it returns: see `in_process`."""
    with in_process() as call:
        return call(function, *args, **kwargs)


def train_alone(backend: str, options: Sequence[str]) -> None:
    """Train as a command line does, silently in a new process. Raises `RunError` if it fails."""
    run_alone(train_quietly, backend, options)


def train_quietly(backend: str, options: Sequence[str]) -> None:
    """The same in this process."""
    with redirect_stderr(StringIO()) as said:
        status = train_main(backend, options)
    if status != OK:
        raise RunError(said.getvalue().rpartition("error: ")[2].strip())


def peak_memory() -> int | None:
    """Peak resident memory of this process, in bytes; None if the system does not count it."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux: what getrusage says begins with the memory of the parent process
        peak = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        return 1024 * int(peak[1]) if peak else None
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else 1024 * used
