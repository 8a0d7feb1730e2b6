"""One training step: forward, backward, clip, update. The arrays change in place."""

import numpy as np
from jaxtyping import Int

from .dropout import NO_MASKS, Masks, dropping
from .model import GPT, cross_entropy, cross_entropy_backward
from .optim import SGD, AdamW, clip_by_global_norm
from .runtime.parallel import add_up, spread


def forward_backward(
    gpt: GPT,
    tokens: Int[np.ndarray, "B T"],
    targets: Int[np.ndarray, "B T"],
    accumulate: int = 1,
    masks: Masks = NO_MASKS,
) -> float:
    """Compute the loss, and leave the gradients on the parameters.

    The batch is split into `accumulate` micro-batches. Their gradients add up to that of the whole
    batch if each is weighted by its share of the rows. `masks`: what dropout keeps.
    """
    for _, parameter in gpt.named_parameters():
        parameter.grad = None
    loss = 0.0
    batch = spread(tokens, targets, *masks.values())
    accumulate = min(accumulate, len(batch[0]))  # no micro-batch is empty
    parts = (np.array_split(array, accumulate) for array in batch)
    for x, y, *kept in zip(*parts, strict=True):
        share = len(x) / len(tokens)
        with dropping(gpt, dict(zip(masks, kept, strict=True))):
            logits = gpt(x)
            gpt.backward(share * cross_entropy_backward(logits, y))
        loss += share * float(cross_entropy(logits, y))
    return add_up((parameter for _, parameter in gpt.named_parameters()), loss)


def train_step(
    gpt: GPT,
    optimizer: AdamW | SGD,
    tokens: Int[np.ndarray, "B T"],
    targets: Int[np.ndarray, "B T"],
    learning_rate: float,
    grad_clip: float,
    accumulate: int,
    masks: Masks,
) -> tuple[float, float]:
    """One update. Returns the loss before it, and the norm of the gradient before clipping."""
    loss = forward_backward(gpt, tokens, targets, accumulate, masks)
    norm = clip_by_global_norm(optimizer.parameters, grad_clip)
    optimizer.step(learning_rate)
    return loss, norm
