"""From averaging to self-attention in four steps, each a few lines.

`python -m lessons.attention_steps --backend numpy` runs them on numbers you can check by hand.
Step 4 is one head of `CausalSelfAttention` in model.py: the same lines, without the heads.
Shapes: B batch, T tokens, C channels of x, D channels of the head, E = 3·D.
"""

import math

import numpy as np
from jaxtyping import Float

from shared.taps import NO_TAP, Tap
from ..model import causal_mask
from ..nn import Linear, softmax


def average_by_loop(x: Float[np.ndarray, "B T C"], tap: Tap = NO_TAP) -> Float[np.ndarray, "B T C"]:
    """Step 1: every position takes the mean of itself and the past."""
    T = x.shape[1]
    y = np.zeros_like(x)
    for t in range(T):
        y[:, t] = x[:, : t + 1].mean(axis=1)  # [B, t + 1, C] becomes [B, C]
    return tap("y", y)  # [B, T, C]


def average_by_matrix(
    x: Float[np.ndarray, "B T C"], tap: Tap = NO_TAP
) -> Float[np.ndarray, "B T C"]:
    """Step 2: the same as one matrix product; row t holds the weights of position t's mean."""
    T = x.shape[1]
    ones = np.tril(np.ones((T, T), dtype=x.dtype))  # [T, T]; 0 for the future
    att = tap("weights", ones / ones.sum(axis=1, keepdims=True))  # rows sum to 1
    y = att @ x  # [T, T] @ [B, T, C]
    return tap("y", y)  # [B, T, C]


def average_by_softmax(
    x: Float[np.ndarray, "B T C"], tap: Tap = NO_TAP
) -> Float[np.ndarray, "B T C"]:
    """Step 3: the same weights from a masked softmax: equal scores give equal weights."""
    T = x.shape[1]
    mask = causal_mask(T, T, 0)  # [T, T]
    scores = tap("scores", np.zeros((T, T), dtype=x.dtype))
    att = np.where(mask, -math.inf, scores)  # exp(−inf) is 0
    att = tap("weights", softmax(att))  # rows sum to 1
    y = att @ x  # [T, T] @ [B, T, C]
    return tap("y", y)  # [B, T, C]


def self_attention(
    x: Float[np.ndarray, "B T C"], c_attn: Linear, tap: Tap = NO_TAP
) -> Float[np.ndarray, "B T D"]:
    """Step 4: the scores come from x itself, through learned queries and keys, and they weight
    learned values (Vaswani et al. 2017, §3.2.1)."""
    T = x.shape[1]
    q, k, v = np.split(c_attn(x), 3, axis=-1)  # 3 × [B, T, D]
    q, k, v = tap("q", q), tap("k", k), tap("v", v)
    mask = causal_mask(T, T, 0)  # [T, T]
    scores = tap("scores", q @ k.mT / math.sqrt(q.shape[-1]))  # [B, T, T]
    att = np.where(mask, -math.inf, scores)
    att = tap("weights", softmax(att))  # rows sum to 1
    y = att @ v  # [B, T, T] @ [B, T, D]
    return tap("y", y)  # [B, T, D]


def attention_steps(
    x: Float[np.ndarray, "B T C"], weight: Float[np.ndarray, "C E"], bias: Float[np.ndarray, " E"]
) -> dict[str, np.ndarray]:
    """Every named value of the four steps: see `shared.protocol.AttentionStepsBackend`."""
    record: dict[str, np.ndarray] = {}
    tap = Tap(record)
    c_attn = Linear(x.shape[-1], bias.size, bias=True)
    for name, parameter in c_attn.named_parameters():
        parameter.value = {"weight": weight, "bias": bias}[name]
    average_by_loop(x, tap.inside("average_by_loop"))
    average_by_matrix(x, tap.inside("average_by_matrix"))
    average_by_softmax(x, tap.inside("average_by_softmax"))
    self_attention(x, c_attn, tap.inside("self_attention"))
    return record
