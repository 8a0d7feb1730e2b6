"""Dropout: training sets a share of the values to zero, by masks that are passed in.

`nn.Dropout` draws its own masks, from a generator that no other framework has.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from shared.dropout import keep_share

Masks = Mapping[str, Float[Tensor, "B ..."]]
"""By module name: 1 to keep a value, 0 to drop it."""
NO_MASKS: Masks = {}


class Dropout(nn.Module):
    """Zero where the mask is zero; the rest is scaled up, which keeps the mean (Srivastava et al.
    2014). Without a mask, as in evaluation and sampling, it is the identity."""

    mask: Float[Tensor, "*N"] | None = None

    def __init__(self, p: float) -> None:
        super().__init__()
        self.keep = keep_share(p)

    def forward(self, x: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
        return x if self.mask is None else x * self.mask / self.keep


@contextmanager
def dropping(gpt: nn.Module, masks: Masks) -> Iterator[None]:
    """Give each mask to the module it names, for one forward."""
    for name, mask in masks.items():
        gpt.get_submodule(name).mask = mask
    try:
        yield
    finally:
        for name in masks:
            del gpt.get_submodule(name).mask  # the class attribute is None
