"""What the ladder sees of your forward: while it looks, every module keeps its output."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from shared.taps import Tap
from .model import GPT


@contextmanager
def recording(gpt: GPT, record: dict[str, np.ndarray]) -> Iterator[None]:
    """Put the outputs of all modules into `record`, under their dotted names."""
    modules = dict(gpt.named_modules())
    for path, module in modules.items():
        module.tap = Tap(record, path)
    try:
        yield
    finally:
        for module in modules.values():
            del module.tap  # the class's own is silent
