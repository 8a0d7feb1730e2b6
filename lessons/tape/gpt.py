"""The GPT on tensors that record: only a forward pass. Read it beside impls/torch/model.py."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from lessons.tape.tensor import Tensor, tensor
from shared.config import GPTConfig

Weights = Mapping[str, Tensor]


def linear(x: Tensor, w: Weights, name: str) -> Tensor:
    y = x @ w[f"{name}.weight"]
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm(x: Tensor, w: Weights, name: str, epsilon: float) -> Tensor:
    x = x - x.mean()
    x = x / ((x * x).mean() + epsilon) ** 0.5
    y = x * w[f"{name}.weight"]
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def softmax(x: Tensor) -> Tensor:
    e = (x - x.data.max(axis=-1, keepdims=True)).exp()
    return e / e.sum()


ACTIVATIONS = {
    "gelu_tanh": lambda x: (
        x * 0.5 * (((x + x**3 * 0.044715) * math.sqrt(2 / math.pi)).tanh() + 1.0)
    ),
    "gelu_erf": lambda x: x * 0.5 * ((x / math.sqrt(2)).erf() + 1.0),
    "relu": lambda x: x * (x.data > 0),
}


def attention(x: Tensor, w: Weights, name: str, n_head: int) -> Tensor:
    B, T, C = x.data.shape
    D = C // n_head
    qkv = linear(x, w, f"{name}.c_attn").reshape(B, T, 3, n_head, D)
    q, k, v = (qkv[:, :, i].swap(1, 2) for i in range(3))  # [B, H, T, D]
    scores = q @ k.swap(2, 3) / math.sqrt(D)  # [B, H, T, T]
    att = softmax(scores + np.triu(np.full((T, T), -math.inf), 1))
    y = (att @ v).swap(1, 2).reshape(B, T, C)
    return linear(y, w, f"{name}.c_proj")


def block(x: Tensor, w: Weights, name: str, config: GPTConfig) -> Tensor:
    def norm(x: Tensor, which: str) -> Tensor:
        return layer_norm(x, w, f"{name}.{which}", config.layer_norm_epsilon)

    def attn(x: Tensor) -> Tensor:
        return attention(x, w, f"{name}.attn", config.n_head)

    def mlp(x: Tensor) -> Tensor:
        x = ACTIVATIONS[config.activation](linear(x, w, f"{name}.mlp.c_fc"))
        return linear(x, w, f"{name}.mlp.c_proj")

    if config.norm == "pre":
        x = x + attn(norm(x, "ln_1"))
        return x + mlp(norm(x, "ln_2"))
    x = norm(x + attn(x), "ln_1")
    return norm(x + mlp(x), "ln_2")


def positions(config: GPTConfig, w: Weights, T: int) -> Tensor:
    if config.position == "learned":
        return w["transformer.wpe.weight"][:T]
    c = np.arange(0, config.n_embd, 2)
    angle = np.arange(T)[:, None] / 10000.0 ** (c / config.n_embd)
    return tensor(np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(T, -1))


def gpt(config: GPTConfig, w: Weights, tokens: Int[np.ndarray, "B T"]) -> Tensor:
    """The logits [B, T, V]."""
    wte = w["transformer.wte.weight"]
    x = wte[tokens] + positions(config, w, tokens.shape[1])
    for i in range(config.n_layer):
        x = block(x, w, f"transformer.h.{i}", config)
    if config.norm == "pre":
        x = layer_norm(x, w, "transformer.ln_f", config.layer_norm_epsilon)
    return x @ (wte if config.tie_weights else w["lm_head.weight"]).swap(0, 1)


def cross_entropy(logits: Tensor, targets: Int[np.ndarray, "B T"]) -> Tensor:
    """Mean over all positions of ln Σ exp(logits) − logits[target], in nats."""
    centred = logits - logits.data.max(axis=-1, keepdims=True)
    B, T = np.indices(targets.shape)
    losses = centred.exp().sum().log()[..., 0] - centred[B, T, targets]
    return losses.reshape(-1).mean()
