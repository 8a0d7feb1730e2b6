"""Whether a model fits into this machine at all, said before anything is tried."""

import os

import numpy as np

from shared.config import GPTConfig, TrainConfig, weight_dtype
from shared.errors import ConfigError

GIB = 2**30
"""Bytes in a gibibyte."""


def check_memory(config: GPTConfig, train: TrainConfig, dtype: str) -> None:
    """Refuse a training that needs more than all of this machine's memory.

    A lower bound is enough to catch a slip of the keyboard: weights, gradients and two moments, and
    of a batch the values that the backward pass cannot do without.

    Raises:
        ConfigError: with the number of parameters, what is needed and what there is.
    """
    V, C, F, T = config.vocab_size, config.n_embd, config.inner_size, config.block_size
    positions = -(-train.batch_size // train.accumulate) * T
    values = config.n_layer * positions * (6 * C + 2 * F + config.n_head * T) + positions * V
    needed = (4 * parameters(config) + values + sinusoids(config)) * np.dtype(
        weight_dtype(dtype)
    ).itemsize
    _check(
        needed,
        f"this model has {parameters(config):,} parameters; training it on {train.batch_size:,} "
        f"windows at a time",
    )


def check_model_memory(config: GPTConfig, dtype: str) -> None:
    """Refuse a model whose weights alone are more than the memory. Raises `ConfigError`."""
    needed = (parameters(config) + sinusoids(config)) * np.dtype(weight_dtype(dtype)).itemsize
    _check(needed, f"a model with n_embd {config.n_embd:,} and block_size {config.block_size:,}")


def parameters(config: GPTConfig) -> int:
    """About how many there are: the matrices, which are nearly all."""
    V, C, F = config.vocab_size, config.n_embd, config.inner_size
    return config.n_layer * (4 * C * C + 2 * C * F) + V * C


def sinusoids(config: GPTConfig) -> int:
    """Numbers in the table of fixed positions, which no checkpoint holds."""
    return config.block_size * config.n_embd if config.position == "sinusoidal" else 0


def _check(needed: int, what: str) -> None:
    memory = physical_memory()
    if memory is not None and needed > memory:
        raise ConfigError(
            f"{what} takes at least {needed / GIB:,.0f} GiB of memory, and there are "
            f"{memory / GIB:,.0f}"
        )


def physical_memory() -> int | None:
    """Bytes of memory in this machine; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
