"""Check that a model fits into this machine's memory before anything is tried."""

import os

import numpy as np

from shared.config import GPTConfig, TrainConfig, weight_dtype
from shared.errors import ConfigError

GIB = 2**30
"""Bytes in a gibibyte."""


def check_memory(config: GPTConfig, train: TrainConfig, dtype: str) -> None:
    """Refuse training that needs more memory than this machine has.

    A lower bound is enough to catch a typing mistake: weights, gradients, two moments, and the
    values of a batch that the backward pass cannot do without. Raises `ConfigError` with the number
    of parameters, the memory needed and the memory available."""
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
    """Refuse a model whose weights alone exceed the memory. Raises `ConfigError`."""
    needed = (parameters(config) + sinusoids(config)) * np.dtype(weight_dtype(dtype)).itemsize
    _check(needed, f"a model with n_embd {config.n_embd:,} and block_size {config.block_size:,}")


def parameters(config: GPTConfig) -> int:
    """The approximate number of parameters: those of the matrices, which are nearly all."""
    V, C, F = config.vocab_size, config.n_embd, config.inner_size
    return config.n_layer * (4 * C * C + 2 * C * F) + V * C


def sinusoids(config: GPTConfig) -> int:
    """The size of the table of fixed positions, which no checkpoint contains."""
    return config.block_size * config.n_embd if config.position == "sinusoidal" else 0


def _check(needed: int, what: str) -> None:
    memory = physical_memory()
    if memory is not None and needed > memory:
        raise ConfigError(
            f"{what} takes at least {needed / GIB:,.0f} GiB of memory, and there are "
            f"{memory / GIB:,.0f}"
        )


def physical_memory() -> int | None:
    """This machine's memory in bytes; None if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
