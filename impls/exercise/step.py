"""One training step: forward, backward, clip, update. The arrays change in place."""

import numpy as np
from jaxtyping import Int

from .model import GPT, cross_entropy, cross_entropy_backward
from .optim import SGD, AdamW, clip_by_global_norm


def forward_backward(
    gpt: GPT, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
) -> float:
    """The loss; the gradients are left on the parameters."""
    for _, parameter in gpt.named_parameters():
        parameter.grad = None
    logits = gpt(tokens)
    gpt.backward(cross_entropy_backward(logits, targets))
    return float(cross_entropy(logits, targets))


def train_step(
    gpt: GPT,
    optimizer: AdamW | SGD,
    tokens: Int[np.ndarray, "B T"],
    targets: Int[np.ndarray, "B T"],
    learning_rate: float,
    grad_clip: float,
) -> tuple[float, float]:
    """One update. Returns the loss before it, and the norm of the gradient before clipping."""
    loss = forward_backward(gpt, tokens, targets)
    norm = clip_by_global_norm(optimizer.parameters, grad_clip)
    optimizer.step(learning_rate)
    return loss, norm
