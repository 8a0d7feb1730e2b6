"""Many processes in JAX: one program for all of them, which XLA divides as its arrays are placed.

    JAX_COORDINATOR_ADDRESS=localhost:1234 JAX_NUM_PROCESSES=2 JAX_PROCESS_ID=0 \\
        python -m impls.jax.train --preset classroom

and the same for process 1. Weights and moments are whole on every device of a mesh, the rows of a
batch are divided among them, and the sums that this needs are XLA's to insert.
"""

import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

mesh: Mesh | None = None
"""All devices of all processes, once this one has joined others."""


def join(rank: int, size: int) -> None:
    """Meet the other processes, at process 0."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    where = os.environ["JAX_COORDINATOR_ADDRESS"]
    jax.distributed.initialize(where, size, rank, heartbeat_timeout_seconds=10)


def everywhere(devices: Sequence[jax.Device]) -> jax.Device | NamedSharding:
    """Where weights are kept: on the first device, or on those of all processes, each whole."""
    global mesh
    if not jax.distributed.is_initialized():
        return devices[0]
    mesh = Mesh(devices, "data")
    return NamedSharding(mesh, P())


def spread(*batch: Any) -> tuple[Any, ...]:
    """The same arrays, their rows divided among the devices. XLA pads what does not divide evenly,
    and leaves the padding out of all sums."""
    if mesh is None:
        return batch
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, P("data")))


def add_up(*sums: Any) -> tuple[Any, ...]:
    """The same arrays, whole on every device: here XLA adds up what each has computed."""
    if mesh is None:
        return sums
    return jax.lax.with_sharding_constraint(sums, NamedSharding(mesh, P()))


def most(*numbers: float) -> tuple[float, ...]:
    """The largest of what each process gives, for each number."""
    assert mesh is not None
    own = np.tile(np.array(numbers, np.float32), (jax.local_device_count(), 1))
    of_all = jax.make_array_from_process_local_data(NamedSharding(mesh, P("data")), own)
    return tuple(np.asarray(largest(of_all)).tolist())


@jax.jit
def largest(numbers: jax.Array) -> jax.Array:
    return add_up(numbers.max(axis=0))[0]


def leave(status: int) -> None:
    """Part from the others; after a failure, without waiting for them."""
    if status:
        os._exit(status)
    jax.distributed.shutdown()
