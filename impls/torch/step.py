"""One training step: forward, backward, clip, update. The tensors change in place."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .dropout import NO_MASKS, Masks, dropping
from .model import GPT, cross_entropy
from .optim import clip_by_global_norm, set_learning_rate
from .runtime.parallel import spread, total


def forward_backward(
    gpt: GPT,
    tokens: Int[Tensor, "B T"],
    targets: Int[Tensor, "B T"],
    accumulate: int = 1,
    masks: Masks = NO_MASKS,
) -> Float[Tensor, ""]:
    """Compute the loss, and leave the gradients on the parameters.

    The batch is split into `accumulate` micro-batches. Their gradients add up to that of the whole
    batch if each is weighted by its share of the rows. `masks`: what dropout keeps.
    """
    gpt.zero_grad(set_to_none=True)
    losses = []
    batch = spread(tokens, targets, *masks.values())
    accumulate = min(accumulate, len(batch[0]))  # no micro-batch is empty
    parts = (tensor.tensor_split(accumulate) for tensor in batch)
    for i, (x, y, *kept) in enumerate(zip(*parts, strict=True), start=1):
        share = len(x) / len(tokens)
        gpt.require_backward_grad_sync = i == accumulate  # processes add up only once
        with dropping(gpt, dict(zip(masks, kept, strict=True))):
            loss = share * cross_entropy(gpt(x), y)
        loss.backward()  # accumulates the gradients, and frees the graph
        losses.append(loss.detach())
    return total(torch.stack(losses).sum())


def train_step(
    gpt: GPT,
    optimizer: torch.optim.Optimizer,
    tokens: Int[Tensor, "B T"],
    targets: Int[Tensor, "B T"],
    learning_rate: float,
    grad_clip: float,
    accumulate: int,
    masks: Masks,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """One update. Returns the loss before it, and the norm of the gradient before clipping."""
    loss = forward_backward(gpt, tokens, targets, accumulate, masks)
    norm = clip_by_global_norm(list(gpt.parameters()), grad_clip)
    set_learning_rate(optimizer, learning_rate)
    optimizer.step()
    return loss, norm
