"""Dropout: a share of the numbers is set to zero in training, by masks that a step brings along."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from shared.dropout import keep_share
from .nn import Module


class Dropout(Module):
    """Zero where the mask says so; the rest is scaled up, so that the mean stays
    (Srivastava et al. 2014). Without a mask, as in evaluation and writing, nothing happens."""

    mask: Bool[np.ndarray, "*N"] | None = None

    def __init__(self, p: float) -> None:
        self.keep = keep_share(p)

    def forward(self, x: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
        if self.mask is None:
            return x
        y = x * self.mask
        y /= self.keep
        return y

    def backward(self, dy: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
        return self.forward(dy)  # it is linear: what was multiplied by a number is so again


@contextmanager
def dropping(gpt: Module, masks: Mapping[str, Bool[np.ndarray, "..."]]) -> Iterator[None]:
    """Hand each mask to the module of its name, for one forward and backward."""
    modules: dict[str, Any] = dict(gpt.named_modules())
    for name, mask in masks.items():
        modules[name].mask = mask
    try:
        yield
    finally:
        for name in masks:
            del modules[name].mask  # the class's own is None
