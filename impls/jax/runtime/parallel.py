"""Many processes in JAX: one program for all, which XLA divides by where its arrays are placed.

    JAX_COORDINATOR_ADDRESS=localhost:1234 JAX_NUM_PROCESSES=2 JAX_PROCESS_ID=0 \\
        python -m impls.jax.train --preset classroom

and the same for process 1. The rows of a batch are divided among the devices of a mesh. Every
device keeps all weights and moments or, if they are sharded, a part of each: in JAX that depends
only on where arrays are placed. XLA inserts the sums and exchanges this needs.
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
"""Whether every device keeps only a part of each weight and moment."""


def join(rank: int, size: int, *, shard: bool = False) -> None:
    """Join the other processes, at process 0. `shard`: divide weights and moments among them."""
    global sharded
    sharded = shard
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    where = os.environ["JAX_COORDINATOR_ADDRESS"]
    jax.distributed.initialize(where, size, rank, heartbeat_timeout_seconds=10)


def meet(devices: Sequence[jax.Device]) -> jax.Device:
    """The first device; if there are other processes, arrays are placed on all devices instead."""
    global mesh
    if jax.distributed.is_initialized():
        mesh = Mesh(devices, "data")
    return devices[0]


def place(shape: tuple[int, ...], device: jax.Device | None = None) -> Any:
    """Where an array of weights, moments or gradients is placed: a device, or a sharding of many.

    With other processes, it is on the devices of all: whole on each or, if sharded, divided along
    the first axis that divides evenly (ZeRO, stage 3: Rajbhandari et al. 2020, §5.3).
    """
    if mesh is None:
        return device
    even = [axis for axis, length in enumerate(shape) if length % mesh.size == 0]
    return NamedSharding(mesh, P(*[None] * even[0], "data") if sharded and even else P())


def spread(*batch: Any) -> tuple[Any, ...]:
    """The same arrays, with their rows divided among the devices. XLA pads uneven divisions, and
    leaves the padding out of all sums."""
    if mesh is None:
        return batch
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, P("data")))


def add_up(*sums: Any) -> tuple[Any, ...]:
    """The same arrays, placed like the weights: here XLA adds up what each device has computed."""
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
    """The maximum of each number over all processes."""
    assert mesh is not None
    own = np.tile(np.array(numbers, np.float32), (jax.local_device_count(), 1))
    of_all = jax.make_array_from_process_local_data(NamedSharding(mesh, P("data")), own)
    return tuple(np.asarray(gathered(of_all)).max(axis=0).tolist())


def leave(status: int) -> None:
    """Leave the others; after a failure, without waiting for them."""
    if status:
        os._exit(status)
    jax.distributed.shutdown()
