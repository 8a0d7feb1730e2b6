"""Dropout: in training, a share of the numbers is set to zero, by masks from outside.

`nnx.Dropout` draws its own, from a generator that no other framework has.
"""

from collections.abc import Mapping

from flax import nnx
from jaxtyping import Array, Bool, Float

from shared.dropout import keep_share

Masks = Mapping[str, Bool[Array, "B ..."]]
"""What to keep, by the name of the module."""
NO_MASKS: Masks = {}


class Dropout(nnx.Module):
    """Zero where the mask is false; the rest is scaled up, which keeps the mean (Srivastava et al.
    2014). Without a mask, as in evaluation and sampling, the identity."""

    mask: Bool[Array, "*N"] | None = None

    def __init__(self, p: float) -> None:
        self.keep = keep_share(p)

    def __call__(self, x: Float[Array, "*N"]) -> Float[Array, "*N"]:
        return x if self.mask is None else x * self.mask / self.keep


def drop(gpt: nnx.Module, masks: Masks) -> None:
    """Hand each mask to the module of its name, for good: `nnx.merge` has just made the module."""
    modules = {".".join(map(str, path)): module for path, module in nnx.iter_modules(gpt)}
    for name, mask in masks.items():
        modules[name].mask = mask
