"""Clipping, AdamW and SGD from torch.optim, with every constant stated."""

import torch
from torch import Tensor, nn

from shared.config import TrainConfig


def clip_by_global_norm(parameters: list[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients by min(1, max_norm / norm), keeping the direction (Pascanu et al. 2013).

    Returns the norm over all gradients before clipping. A max_norm of 0 disables clipping.
    `clip_grad_norm_` would divide by norm + 1e-6.
    """
    grads = [parameter.grad for parameter in parameters]
    # In pieces: a float32 norm over all of GPT-2's 38 million embeddings is off by 2e-3 on a CPU.
    pieces = [piece for grad in grads for piece in grad.flatten().split(2**16)]
    norm = nn.utils.get_total_norm(pieces)
    if 0 < max_norm < norm:
        torch._foreach_mul_(grads, max_norm / norm)
    return norm


def build_optimizer(
    parameters: list[nn.Parameter], config: TrainConfig
) -> torch.optim.AdamW | torch.optim.SGD:
    """The optimizer that `config` names. AdamW: Loshchilov & Hutter 2019, algorithm 2; only tensors
    of two or more dimensions decay."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=config.learning_rate)
    matrices = [p for p in parameters if p.ndim >= 2]
    vectors = [p for p in parameters if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.epsilon,
        fused=True,  # one pass over the weights instead of ten
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the rate by our own schedule, which the three backends share."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
