"""Where the time and memory of a training step go, from Python's own profilers."""

import cProfile
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

if TYPE_CHECKING:
    from ..backend import NumpyTrainer


def profile_time(
    trainer: "NumpyTrainer",
    tokens: Int[np.ndarray, "B T"],
    targets: Int[np.ndarray, "B T"],
    steps: int,
) -> dict[str, float]:
    """Seconds per step by function, without the functions it calls. C code (a product, a sum, a
    copy) counts towards the function that calls it."""
    profiler = cProfile.Profile()
    for _ in range(steps):
        profiler.runcall(trainer.step, tokens, targets)
    seconds: dict[str, float] = {}
    for entry in profiler.getstats():
        if not isinstance(entry.code, str):
            in_c = sum(sub.totaltime for sub in entry.calls or () if isinstance(sub.code, str))
            name = entry.code.co_qualname
            seconds[name] = seconds.get(name, 0.0) + (entry.inlinetime + in_c) / steps
    return seconds


def activation_bytes(
    trainer: "NumpyTrainer", tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
) -> int:
    """The memory that the forward pass keeps for the backward pass, including the logits."""
    for _, module in trainer.model.gpt.named_modules():
        module.saved = None  # from the last step
    tracemalloc.start()
    logits = trainer.model.gpt(tokens)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del logits  # kept until here, so that they count
    return kept
