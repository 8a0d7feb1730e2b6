"""Dropout: training sets a share of the values to zero, by masks that are passed in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from shared.dropout import keep_share
from .nn import Module

Masks = Mapping[str, Bool[np.ndarray, "B ..."]]
"""What to keep, by module name."""
NO_MASKS: Masks = {}


class Dropout(Module):
    """Zero where the mask is false; the rest is scaled up, which keeps the mean (Srivastava et al.
    2014). Without a mask, as in evaluation and sampling, it is the identity."""

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
        return self.forward(dy)  # a product with a constant is its own backward


@contextmanager
def dropping(gpt: Module, masks: Masks) -> Iterator[None]:
    """Give each mask to the module it names, for one forward and backward."""
    modules: dict[str, Any] = dict(gpt.named_modules())
    for name, mask in masks.items():
        modules[name].mask = mask
    try:
        yield
    finally:
        for name in masks:
            del modules[name].mask  # the class attribute is None
