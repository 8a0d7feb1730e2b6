"""Dropout: a share of the numbers is set to zero in training, by masks that a step brings along.

`nn.Dropout` has dice of its own, which no other framework throws.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from jaxtyping import Bool, Float
from torch import Tensor, nn

from shared.dropout import keep_share


class Dropout(nn.Module):
    """Zero where the mask says so; the rest is scaled up, so that the mean stays
    (Srivastava et al. 2014). Without a mask, as in evaluation and writing, nothing happens."""

    mask: Bool[Tensor, "*N"] | None = None

    def __init__(self, p: float) -> None:
        super().__init__()
        self.keep = keep_share(p)

    def forward(self, x: Float[Tensor, "*N"]) -> Float[Tensor, "*N"]:
        return x if self.mask is None else x * self.mask / self.keep


@contextmanager
def dropping(gpt: nn.Module, masks: Mapping[str, Bool[Tensor, "..."]]) -> Iterator[None]:
    """Hand each mask to the module of its name, for one forward."""
    for name, mask in masks.items():
        gpt.get_submodule(name).mask = mask
    try:
        yield
    finally:
        for name in masks:
            del gpt.get_submodule(name).mask  # the class's own is None
