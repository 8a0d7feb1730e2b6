"""Continuing a prompt in one backend, and measuring it."""

import math
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lessons.alone import peak_memory
from shared.commands.trained import load_trained
from shared.config import GPTConfig, SampleConfig
from shared.layout import init_weights
from shared.protocol import load_backend


@dataclass(frozen=True)
class Report:
    """What one backend wrote, and what it took."""

    tokens: list[int]
    load: float
    """Seconds to read the weights and build the model."""
    first: float
    """Seconds to the first token; NaN if there is none."""
    rest: float
    """Seconds for all tokens after the second. (JAX compiles during the first two.)"""
    memory: int | None
    """Peak memory of the process, in bytes."""

    @property
    def tokens_per_second(self) -> float:
        return (len(self.tokens) - 2) / self.rest if len(self.tokens) > 2 else math.nan


def write(
    backend: str,
    directory: Path | None,
    config: GPTConfig,
    prompt: Sequence[int],
    sampling: SampleConfig,
    end_of_text: Container[int] = (),
) -> Report:
    """Continue the prompt until the text ends, in a process of its own: see `run_alone`."""
    module = load_backend(backend)
    weights: Mapping[str, np.ndarray] = {} if directory else init_weights(config, seed=0)
    began = time.perf_counter()
    if directory is not None:
        weights = load_trained(backend, directory)[0].weights
    model = module.build(config, weights)
    del weights
    times = [time.perf_counter()]
    tokens = []
    for token in model.generate(np.array(prompt), sampling):
        if int(token) in end_of_text:
            break
        tokens.append(int(token))
        times.append(time.perf_counter())
    first = times[1] - times[0] if tokens else math.nan
    rest = times[-1] - times[min(2, len(times) - 1)]
    return Report(tokens, times[0] - began, first, rest, peak_memory())
