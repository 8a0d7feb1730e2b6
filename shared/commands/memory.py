"""Whether a training can fit into this machine at all, said before anything is tried."""

import os

import numpy as np

from shared.config import GPTConfig, TrainConfig
from shared.errors import ConfigError

GIB = 2**30


def check_memory(config: GPTConfig, train: TrainConfig, dtype: str) -> None:
    """Refuse a training that needs more than all of this machine's memory.

    A lower bound is enough to catch a slip of the keyboard: weights, gradients and two moments, and
    of a batch the values that the backward pass cannot do without.

    Raises:
        ConfigError: with the number of parameters, what is needed and what there is.
    """
    V, C, F, T = config.vocab_size, config.n_embd, config.inner_size, config.block_size
    parameters = config.n_layer * (4 * C * C + 2 * C * F) + V * C
    positions = train.batch_size * T
    values = config.n_layer * positions * (6 * C + 2 * F + config.n_head * T) + positions * V
    needed = (4 * parameters + values) * np.dtype(dtype).itemsize
    memory = physical_memory()
    if memory is not None and needed > memory:
        raise ConfigError(
            f"this model has {parameters:,} parameters; training it on {train.batch_size:,} "
            f"windows at a time takes at least {needed / GIB:,.0f} GiB of memory, and there are "
            f"{memory / GIB:,.0f}"
        )


def physical_memory() -> int | None:
    """Bytes of memory in this machine; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
