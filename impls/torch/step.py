"""One training step: forward, backward, clip, update. The tensors change in place."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .model import GPT, cross_entropy
from .optim import clip_by_global_norm, set_learning_rate


def forward_backward(
    gpt: GPT, tokens: Int[Tensor, "B T"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """The loss; the gradients are left on the parameters."""
    gpt.zero_grad(set_to_none=True)
    loss = cross_entropy(gpt(tokens), targets)
    loss.backward()
    return loss.detach()


def train_step(
    gpt: GPT,
    optimizer: torch.optim.Optimizer,
    tokens: Int[Tensor, "B T"],
    targets: Int[Tensor, "B T"],
    learning_rate: float,
    grad_clip: float,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """One update. Returns the loss before it, and the norm of the gradient before clipping."""
    loss = forward_backward(gpt, tokens, targets)
    norm = clip_by_global_norm(list(gpt.parameters()), grad_clip)
    set_learning_rate(optimizer, learning_rate)
    optimizer.step()
    return loss, norm
