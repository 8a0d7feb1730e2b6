"""Many processes in JAX: one program for all of them, which XLA divides as its arrays are placed.

    JAX_COORDINATOR_ADDRESS=localhost:1234 JAX_NUM_PROCESSES=2 JAX_PROCESS_ID=0 \\
        python -m impls.jax.train --preset classroom

and the same for process 1. The rows of a batch are divided among the devices of a mesh. Weights and
moments are whole on every device or, sharded, divided too: in JAX that is a matter of where arrays
are kept. The sums and exchanges that this needs are XLA's to insert.
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
sharded = False
"""Whether every device keeps a part of each weight and moment, and not all of it."""


def join(rank: int, size: int, *, shard: bool = False) -> None:
    """Meet the other processes, at process 0. `shard`: divide weights and moments among them."""
    global sharded
    sharded = shard
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    where = os.environ["JAX_COORDINATOR_ADDRESS"]
    jax.distributed.initialize(where, size, rank, heartbeat_timeout_seconds=10)


def meet(devices: Sequence[jax.Device]) -> jax.Device:
    """The first device; if there are other processes, arrays are kept on all devices instead."""
    global mesh
    if jax.distributed.is_initialized():
        mesh = Mesh(devices, "data")
    return devices[0]


def place(shape: tuple[int, ...], device: jax.Device | None = None) -> Any:
    """Where an array of weights, moments or gradients is kept: a device, or a sharding of many.

    With other processes it is on the devices of all, whole on each or, sharded, divided along its
    first axis that divides evenly (ZeRO, stage 3: Rajbhandari et al. 2020, §5.3).
    """
    if mesh is None:
        return device
    even = [axis for axis, length in enumerate(shape) if length % mesh.size == 0]
    return NamedSharding(mesh, P(*[None] * even[0], "data") if sharded and even else P())


def spread(*batch: Any) -> tuple[Any, ...]:
    """The same arrays, their rows divided among the devices. XLA pads what does not divide evenly,
    and leaves the padding out of all sums."""
    if mesh is None:
        return batch
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, P("data")))


def add_up(*sums: Any) -> tuple[Any, ...]:
    """The same arrays where weights are kept: here XLA adds up what each device has computed."""
    if mesh is None:
        return sums
    places = jax.tree.map(lambda array: place(array.shape), sums)
    return jax.lax.with_sharding_constraint(sums, places)


@jax.jit
def gathered(arrays: Any) -> Any:
    """The same arrays, whole on every device. All processes must call it."""
    assert mesh is not None
    return jax.lax.with_sharding_constraint(arrays, NamedSharding(mesh, P()))


def most(*numbers: float) -> tuple[float, ...]:
    """The largest of what each process gives, for each number."""
    assert mesh is not None
    own = np.tile(np.array(numbers, np.float32), (jax.local_device_count(), 1))
    of_all = jax.make_array_from_process_local_data(NamedSharding(mesh, P("data")), own)
    return tuple(np.asarray(gathered(of_all)).max(axis=0).tolist())


def leave(status: int) -> None:
    """Part from the others; after a failure, without waiting for them."""
    if status:
        os._exit(status)
    jax.distributed.shutdown()
