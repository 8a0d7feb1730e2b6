"""The GPT of tests/autograd_backend.py, in NumPy code that autograd differentiates."""

import math
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.scipy.special import erf
from autograd.tracer import getval

from shared.config import GPTConfig
from shared.taps import NO_TAP, Tap

Tensors = dict[str, np.ndarray]
ACTIVATIONS = {  # the slope of tanh is 1/cosh², which would overflow; that of maximum is 1/2 at 0
    "gelu_tanh": lambda x: (
        x / 2 * (1 + anp.tanh(anp.clip((2 / math.pi) ** 0.5 * (x + 0.044715 * x**3), -20, 20)))
    ),
    "gelu_erf": lambda x: x / 2 * (1 + erf(x / 2**0.5)),
    "relu": lambda x: anp.where(x > 0, x, 0.0),
}


def shifted_exp(x: Any) -> tuple[Any, Any]:
    """x less its largest entry, which changes no gradient, and exp of it, which cannot overflow."""
    x = x - getval(x).max(axis=-1, keepdims=True)
    return x, anp.exp(x)


def softmax(x: Any) -> Any:
    return (e := shifted_exp(x)[1]) / anp.sum(e, axis=-1, keepdims=True)


@dataclass
class Network:
    """The function: tensors by canonical name, or autograd's replacements for them."""

    p: Any
    config: GPTConfig

    def add_bias(self, key: str, x: Any) -> Any:
        return x + self.p[f"{key}.bias"] if f"{key}.bias" in self.p else x

    def linear(self, key: str, x: Any) -> Any:
        return self.add_bias(key, anp.matmul(x, self.p[f"{key}.weight"]))

    def norm(self, key: str, x: Any, tap: Tap) -> Any:
        x = x - anp.mean(x, axis=-1, keepdims=True)
        variance = anp.mean(x * x, axis=-1, keepdims=True)
        x = x / anp.sqrt(variance + self.config.layer_norm_epsilon) * self.p[f"{key}.weight"]
        return tap(key.rpartition(".")[2], self.add_bias(key, x))

    def attn(self, key: str, x: Any, tap: Tap) -> Any:
        (B, T, C), H, D = x.shape, self.config.n_head, self.config.head_size
        qkv = anp.reshape(self.linear(f"{key}.c_attn", x), (B, T, 3, H, D))
        q, k, v = (tap("qkv"[i], anp.swapaxes(qkv[:, :, i], 1, 2)) for i in range(3))
        scores = tap("scores", anp.matmul(q, anp.swapaxes(k, -1, -2)) / math.sqrt(D))
        future = np.triu(np.ones((T, T), dtype=bool), k=1)
        weights = tap("weights", softmax(anp.where(future, -math.inf, scores)))
        y = anp.reshape(anp.swapaxes(anp.matmul(weights, v), 1, 2), (B, T, C))
        return self.linear(f"{key}.c_proj", tap("y", y))

    def mlp(self, key: str, x: Any, tap: Tap) -> Any:
        x = tap("fc", self.linear(f"{key}.c_fc", x))
        return self.linear(f"{key}.c_proj", tap("act", ACTIVATIONS[self.config.activation](x)))

    def block(self, key: str, x: Any, tap: Tap) -> Any:
        for which, ln in (("attn", "ln_1"), ("mlp", "ln_2")):
            y = self.norm(f"{key}.{ln}", x, tap) if self.config.norm == "pre" else x
            y = getattr(self, which)(f"{key}.{which}", y, tap.inside(which))
            x = x + tap(which, y)
            x = x if self.config.norm == "pre" else self.norm(f"{key}.{ln}", x, tap)
        return x

    def positions(self, dtype: np.dtype) -> Any:
        if self.config.position == "learned":
            return self.p["transformer.wpe.weight"]
        t, C = np.arange(self.config.block_size)[:, None], self.config.n_embd
        angle = t / 10000 ** (np.arange(0, C, 2) / C)
        return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(-1, C).astype(dtype)

    def logits(self, tokens: np.ndarray, tap: Tap = NO_TAP) -> Any:
        wte = self.p["transformer.wte.weight"]
        x = tap("embed", wte[tokens] + self.positions(getval(wte).dtype)[: tokens.shape[1]])
        for i in range(self.config.n_layer):
            x = tap(f"h.{i}", self.block(f"transformer.h.{i}", x, tap.inside(f"h.{i}")))
        x = self.norm("transformer.ln_f", x, tap) if self.config.norm == "pre" else x
        head = wte if self.config.tie_weights else self.p["lm_head.weight"]
        logits = tap("logits", anp.matmul(x, anp.swapaxes(head, 0, 1)))
        if tap:
            tap("probs", softmax(logits))
        return logits

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> Any:
        logits, exp = shifted_exp(self.logits(tokens))
        chosen = logits[np.arange(len(tokens))[:, None], np.arange(tokens.shape[1]), targets]
        return anp.mean(anp.log(anp.sum(exp, axis=-1)) - chosen)
