"""Dropout: training sets a share of the values to zero, by masks that are passed in.

`nnx.Dropout` draws its own masks, from a generator that no other framework has.
"""

from collections.abc import Mapping

from flax import nnx
from jaxtyping import Array, Bool, Float

from shared.dropout import keep_share

Masks = Mapping[str, Bool[Array, "B ..."]]
"""What to keep, by module name."""
NO_MASKS: Masks = {}


class Dropout(nnx.Module):
    """Zero where the mask is false; the rest is scaled up, which keeps the mean (Srivastava et al.
    2014). Without a mask, as in evaluation and sampling, it is the identity."""

    mask: Bool[Array, "*N"] | None = None

    def __init__(self, p: float) -> None:
        self.keep = keep_share(p)

    def __call__(self, x: Float[Array, "*N"]) -> Float[Array, "*N"]:
        return x if self.mask is None else x * self.mask / self.keep


def drop(gpt: nnx.Module, masks: Masks) -> None:
    """Give each mask to the module it names, for good: `nnx.merge` has just made the modules."""
    modules = {".".join(map(str, path)): module for path, module in nnx.iter_modules(gpt)}
    for name, mask in masks.items():
        modules[name].mask = mask
