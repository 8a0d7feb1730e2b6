"""The intermediate values of a forward pass: during a trace, hooks record the modules' outputs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from shared.taps import Tap, collect
from ..model import GPT


@torch.inference_mode()
def trace(gpt: GPT, tokens: Int[Tensor, "B T"]) -> dict[str, Float[Tensor, "..."]]:
    """Every tap (shared/taps.py) by name."""
    record: dict[str, Tensor] = {}
    with recording(gpt, record):
        record["probs"] = torch.softmax(gpt(tokens), dim=-1)
    return collect(gpt.config, record)


@contextmanager
def recording(gpt: GPT, record: dict[str, Tensor]) -> Iterator[None]:
    """Put the outputs of all modules into `record`, by dotted name."""
    with ExitStack() as undo:
        for path, module in gpt.named_modules():
            module.tap = Tap(record, path)
            undo.callback(delattr, module, "tap")
            undo.callback(module.register_forward_hook(partial(keep, module.tap)).remove)
        yield


def keep(tap: Tap, module: nn.Module, inputs: Any, output: Tensor) -> None:
    """A forward hook. It returns nothing: a hook's return value would replace the output."""
    tap("", output)
