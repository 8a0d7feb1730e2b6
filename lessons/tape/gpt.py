"""The GPT on tensors that record: only a forward pass. Read it beside impls/torch/model.py."""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from lessons.tape.tensor import Tensor, constant
from shared.config import GPTConfig

Weights = Mapping[str, Tensor]

ACTIVATIONS = {
    "gelu_tanh": lambda x: x * 0.5 * (((x + x**3 * 0.044715) * (2 / math.pi) ** 0.5).tanh() + 1.0),
    "gelu_erf": lambda x: x * 0.5 * ((x / math.sqrt(2)).erf() + 1.0),
    "relu": lambda x: x * (x.data > 0),
}


def linear(x: Tensor, w: Weights, name: str) -> Tensor:
    y = x @ w[f"{name}.weight"]
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm(x: Tensor, w: Weights, name: str, epsilon: float) -> Tensor:
    C = x.data.shape[-1]
    x = x - x.sum() / C
    y = x / ((x * x).sum() / C + epsilon) ** 0.5 * w[f"{name}.weight"]
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def softmax(x: Tensor) -> Tensor:
    e = (x - x.data.max(axis=-1, keepdims=True)).exp()
    return e / e.sum()


def attention(x: Tensor, w: Weights, name: str, n_head: int) -> Tensor:
    B, T, C = x.data.shape
    D = C // n_head
    qkv = linear(x, w, f"{name}.c_attn").reshape(B, T, 3, n_head, D)
    q, k, v = (qkv[:, :, i].swap(1, 2) for i in range(3))  # [B, H, T, D]
    scores = q @ k.swap(2, 3) / math.sqrt(D)  # [B, H, T, T]
    att = softmax(scores + np.triu(np.full((T, T), -math.inf), 1))
    return linear((att @ v).swap(1, 2).reshape(B, T, C), w, f"{name}.c_proj")


def mlp(x: Tensor, w: Weights, name: str, activation: str) -> Tensor:
    return linear(ACTIVATIONS[activation](linear(x, w, f"{name}.c_fc")), w, f"{name}.c_proj")


def block(x: Tensor, w: Weights, name: str, config: GPTConfig) -> Tensor:
    epsilon, a, m = config.layer_norm_epsilon, f"{name}.attn", f"{name}.mlp"
    if config.norm == "pre":
        x = x + attention(layer_norm(x, w, f"{name}.ln_1", epsilon), w, a, config.n_head)
        return x + mlp(layer_norm(x, w, f"{name}.ln_2", epsilon), w, m, config.activation)
    x = layer_norm(x + attention(x, w, a, config.n_head), w, f"{name}.ln_1", epsilon)
    return layer_norm(x + mlp(x, w, m, config.activation), w, f"{name}.ln_2", epsilon)


def positions(config: GPTConfig, w: Weights, T: int) -> Tensor:
    if config.position == "learned":
        return w["transformer.wpe.weight"][:T]
    angle = np.arange(T)[:, None] / 10000.0 ** (np.arange(0, config.n_embd, 2) / config.n_embd)
    return constant(np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(T, -1))


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
    logits = logits - logits.data.max(axis=-1, keepdims=True)
    B, T = np.indices(targets.shape)
    losses = logits.exp().sum().log()[..., 0] - logits[B, T, targets]
    return losses.reshape(-1).sum() / targets.size
