"""The intermediate values of a forward pass: during a trace, every module records its output."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from jaxtyping import Float, Int

from shared.taps import Tap, collect
from ..model import GPT
from ..nn import softmax


def trace(gpt: GPT, tokens: Int[np.ndarray, "B T"]) -> dict[str, Float[np.ndarray, "..."]]:
    """Every tap (shared/taps.py) by name."""
    record: dict[str, np.ndarray] = {}
    with recording(gpt, record):
        record["probs"] = softmax(gpt(tokens))
    return collect(gpt.config, record)


@contextmanager
def recording(gpt: GPT, record: dict[str, np.ndarray]) -> Iterator[None]:
    """Put the outputs of all modules into `record`, by dotted name."""
    modules = dict(gpt.named_modules())
    for path, module in modules.items():
        module.tap = Tap(record, path)
    try:
        yield
    finally:
        for module in modules.values():
            del module.tap  # the class attribute is NO_TAP
