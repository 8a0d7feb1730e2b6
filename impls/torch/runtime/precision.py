"""Mixed precision: weights and their updates in float32, matrix products in bfloat16."""

from typing import Any

import torch
from torch import Tensor

from ..model import GPT


def compute_in_bfloat16(gpt: GPT, device: torch.device) -> None:
    """Make `gpt` run under autocast (Micikevicius et al. 2018).

    Autocast rounds the inputs of matrix products and attention to bfloat16, which has the range of
    float32 and 8 bits of its 24. It leaves LayerNorm, the residual stream and the loss in float32,
    and the backward pass does the same.
    """
    forward = gpt.forward

    def mixed(*args: Any, **kwargs: Any) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return forward(*args, **kwargs).float()

    gpt.forward = mixed  # type: ignore[method-assign]
