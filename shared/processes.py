"""Several processes that train one model: what launchers tell them, and how to start them.

A batch is a function of seed and step, so every process draws all of it and takes its own rows.
Their gradients, each weighted by its share of the rows, add up to that of the batch: see
impls/NAME/runtime/parallel.py.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from shared.errors import BackendError, ConfigError

LAUNCHERS = {
    "numpy": ("mpiexec", "PMI_RANK", "PMI_SIZE"),
    "torch": ("torchrun", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    "jax": ("nox -s scale", "JAX_PROCESS_ID", "JAX_NUM_PROCESSES", "JAX_COORDINATOR_ADDRESS"),
}
"""By backend: what starts its processes, and the environment variables it sets for each."""


@dataclass(frozen=True)
class World:
    """Which process this is, and of how many. Process 0 writes files and messages."""

    rank: int = 0
    size: int = 1
    most: Callable[..., tuple[float, ...]] = lambda *numbers: numbers
    """The maximum of each number over all processes, so that all decide alike."""


@runtime_checkable
class ParallelBackend(Protocol):
    """A backend that can also train in several processes."""

    parallel: Any
    """A module with the functions `join`, `most` and `leave` of impls/numpy/runtime/parallel.py."""


def find_world(backend: str) -> World:
    """Find in the environment which process of a backend this is; by default, the only one. Raises
    `ConfigError` if only some of the variables are set, they contradict each other, or they are
    another backend's."""
    backend, _, _ = backend.partition("@")  # its modes are started alike
    if backend not in LAUNCHERS:
        return World()
    launcher, *names = LAUNCHERS[backend]
    found = {name: os.environ[name] for name in names if name in os.environ}
    if not found:
        for other, _, size in ((each, *names[:2]) for each, *names in LAUNCHERS.values()):
            if os.environ.get(size, "1") != "1":
                raise ConfigError(
                    f"{size} is {os.environ[size]}, set by {other}: "
                    f"processes of the {backend} backend are started by {launcher}"
                )
        return World()
    if missing := [name for name in names if name not in found]:
        raise ConfigError(
            f"{', '.join(found)} is set, but not {', '.join(missing)}: unset it, or start the "
            f"processes with {launcher}"
        )
    rank, size = found[names[0]], found[names[1]]
    if not (rank.isdecimal() and size.isdecimal() and int(rank) < int(size)):
        raise ConfigError(f"{names[0]} is {rank!r} and {names[1]} {size!r}: no such process")
    where, form = found[names[-1]], r"([^:]+|\[.+\]):(\d+)" if backend == "jax" else r"()(\d+)"
    end = re.fullmatch(form, where, re.ASCII)
    if end is None or not 0 < int(end[2]) < 2**16:
        raise ConfigError(f"{names[-1]} is {where!r}: it has no port, 1 to 65535")
    return World(int(rank), int(size))


def start(
    backend: str, size: int, command: Sequence[str], **options: Any
) -> list[subprocess.Popen[bytes]]:
    """Start `python COMMAND` in `size` processes on this machine. Returns them, or mpiexec's.
    Raises `BackendError` if mpiexec is not installed."""
    backend, _, _ = backend.partition("@")
    environment = os.environ | options.pop("env", {})
    if backend == "numpy":
        mpiexec = Path(sys.executable).with_name("mpiexec")
        if not mpiexec.exists():
            raise BackendError("mpiexec is not installed: pip install --group mpi")
        line = [str(mpiexec), "-n", str(size), sys.executable, *command]
        return [subprocess.Popen(line, env=environment, **options)]
    with socket.create_server(("localhost", 0)) as free:
        port = str(free.getsockname()[1])
    _, rank, count, *where = LAUNCHERS[backend]
    addresses = ["localhost", port] if len(where) == 2 else [f"localhost:{port}"]
    environment |= {count: str(size), **dict(zip(where, addresses, strict=True))}
    return [
        subprocess.Popen([sys.executable, *command], env=environment | {rank: str(i)}, **options)
        for i in range(size)
    ]
