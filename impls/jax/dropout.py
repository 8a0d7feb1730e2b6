"""Dropout: a share of the numbers is set to zero in training, by masks that a step brings along.

`nnx.Dropout` has dice of its own, which no other framework throws.
"""

from collections.abc import Mapping

from flax import nnx
from jaxtyping import Array, Bool, Float

from shared.dropout import keep_share


class Dropout(nnx.Module):
    """Zero where the mask says so; the rest is scaled up, so that the mean stays
    (Srivastava et al. 2014). Without a mask, as in evaluation and writing, nothing happens."""

    mask: Bool[Array, "*N"] | None = None

    def __init__(self, p: float) -> None:
        self.keep = keep_share(p)

    def __call__(self, x: Float[Array, "*N"]) -> Float[Array, "*N"]:
        return x if self.mask is None else x * self.mask / self.keep


def drop(gpt: nnx.Module, masks: Mapping[str, Bool[Array, "..."]]) -> None:
    """Hand each mask to the module of its name. It keeps it, so the module has to be a new one."""
    modules = {".".join(map(str, path)): module for path, module in nnx.iter_modules(gpt)}
    for name, mask in masks.items():
        modules[name].mask = mask
