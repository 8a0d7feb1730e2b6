"""Many processes in NumPy: mpi4py adds up the gradients after the backward.

mpiexec -n 2 python -m impls.numpy.train --preset classroom
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from shared.errors import BackendError
from .nn import Parameter

MPI: Any = None
"""The module mpi4py.MPI, once this process has joined others."""


def join(rank: int, size: int) -> None:
    """Meet the other processes. mpiexec has told MPI where, and which one this is."""
    global MPI
    try:
        from mpi4py import MPI
    except ImportError:
        raise BackendError("mpi4py is not installed: pip install --group mpi") from None


def spread(*batch: np.ndarray) -> tuple[np.ndarray, ...]:
    """The rows of this process. If the batch does not divide evenly, some have a row more."""
    if MPI is None:
        return batch
    world = MPI.COMM_WORLD
    return tuple(np.array_split(rows, world.size)[world.rank] for rows in batch)


def add_up(parameters: Iterable[Parameter], loss: float) -> float:
    """Replace every gradient by the sum over all processes. Returns the sum of their losses."""
    if MPI is None:
        return loss
    world = MPI.COMM_WORLD
    for parameter in parameters:
        parameter.grad = np.ascontiguousarray(parameter.grad)
        world.Allreduce(MPI.IN_PLACE, parameter.grad)
    return world.allreduce(loss)


def most(*numbers: float) -> tuple[float, ...]:
    """The largest of what each process gives, for each number."""
    largest = np.array(numbers)
    MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, largest, MPI.MAX)
    return tuple(largest.tolist())


def leave(status: int) -> None:
    """Part from the others: at exit, mpi4py waits for them. A failure ends all at once."""
    if status:
        MPI.COMM_WORLD.Abort(status)
