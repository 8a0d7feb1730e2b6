"""Many processes in NumPy: mpi4py adds up the gradients after the backward pass.

mpiexec -n 2 python -m impls.numpy.train --preset classroom
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from shared.errors import BackendError
from ..nn import Parameter

MPI: Any = None
"""The module mpi4py.MPI, once this process has joined others."""


def join(rank: int, size: int) -> None:
    """Join the other processes. mpiexec tells MPI where they are and which one this is."""
    global MPI
    try:
        from mpi4py import MPI
    except ImportError:
        raise BackendError("mpi4py is not installed: pip install --group mpi") from None


def spread(*batch: np.ndarray) -> tuple[np.ndarray, ...]:
    """This process's rows. If the batch does not divide evenly, some processes have one more."""
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
    """The maximum of each number over all processes."""
    largest = np.array(numbers)
    MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, largest, MPI.MAX)
    return tuple(largest.tolist())


def leave(status: int) -> None:
    """Leave the others. At exit, mpi4py waits for them; a failure ends all at once."""
    if status:
        MPI.COMM_WORLD.Abort(status)
