"""From averaging to self-attention in four steps, each a few lines.

`python -m lessons.attention_steps --backend torch` runs them on numbers you can check by hand.
Step 4 is one head of `CausalSelfAttention` in model.py: the same lines, without the heads.
Shapes: B batch, T tokens, C channels of x, D channels of the head, E = 3·D.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from shared.taps import NO_TAP, Tap
from ..model import causal_mask


def average_by_loop(x: Float[Tensor, "B T C"], tap: Tap = NO_TAP) -> Float[Tensor, "B T C"]:
    """Step 1: every position takes the mean of itself and the past."""
    T = x.shape[1]
    y = torch.zeros_like(x)
    for t in range(T):
        y[:, t] = x[:, : t + 1].mean(dim=1)  # [B, t + 1, C] becomes [B, C]
    return tap("y", y)  # [B, T, C]


def average_by_matrix(x: Float[Tensor, "B T C"], tap: Tap = NO_TAP) -> Float[Tensor, "B T C"]:
    """Step 2: the same as one matrix product; row t holds the weights of position t's mean."""
    T = x.shape[1]
    ones = torch.tril(x.new_ones(T, T))  # [T, T]; 0 for the future
    att = tap("weights", ones / ones.sum(dim=1, keepdim=True))  # rows sum to 1
    y = att @ x  # [T, T] @ [B, T, C]
    return tap("y", y)  # [B, T, C]


def average_by_softmax(x: Float[Tensor, "B T C"], tap: Tap = NO_TAP) -> Float[Tensor, "B T C"]:
    """Step 3: the same weights from a masked softmax: equal scores give equal weights."""
    T = x.shape[1]
    mask = causal_mask(T, T, 0, x.device)  # [T, T]
    scores = tap("scores", x.new_zeros(T, T))
    att = scores.masked_fill(mask, -math.inf)  # exp(−inf) is 0
    att = tap("weights", functional.softmax(att, dim=-1))  # rows sum to 1
    y = att @ x  # [T, T] @ [B, T, C]
    return tap("y", y)  # [B, T, C]


def self_attention(
    x: Float[Tensor, "B T C"], c_attn: nn.Linear, tap: Tap = NO_TAP
) -> Float[Tensor, "B T D"]:
    """Step 4: the scores come from x itself, through learned queries and keys, and they weight
    learned values (Vaswani et al. 2017, §3.2.1)."""
    T = x.shape[1]
    q, k, v = c_attn(x).chunk(3, dim=-1)  # 3 × [B, T, D]
    q, k, v = tap("q", q), tap("k", k), tap("v", v)
    mask = causal_mask(T, T, 0, x.device)  # [T, T]
    scores = tap("scores", q @ k.mT / math.sqrt(q.shape[-1]))  # [B, T, T]
    att = scores.masked_fill(mask, -math.inf)
    att = tap("weights", functional.softmax(att, dim=-1))  # rows sum to 1
    y = att @ v  # [B, T, T] @ [B, T, D]
    return tap("y", y)  # [B, T, D]


@torch.inference_mode()
def attention_steps(
    x: Float[np.ndarray, "B T C"], weight: Float[np.ndarray, "C E"], bias: Float[np.ndarray, " E"]
) -> dict[str, np.ndarray]:
    """Every named value of the four steps: see `shared.protocol.AttentionStepsBackend`."""
    record: dict[str, Tensor] = {}
    tap = Tap(record)
    x = torch.tensor(x)
    c_attn = nn.Linear(*weight.shape, dtype=x.dtype)
    c_attn.load_state_dict({"weight": torch.tensor(weight.T), "bias": torch.tensor(bias)})
    average_by_loop(x, tap.inside("average_by_loop"))
    average_by_matrix(x, tap.inside("average_by_matrix"))
    average_by_softmax(x, tap.inside("average_by_softmax"))
    self_attention(x, c_attn, tap.inside("self_attention"))
    return {name: value.numpy() for name, value in record.items()}
