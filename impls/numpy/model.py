"""The GPT in NumPy: every forward has its backward directly under it.

Read it beside impls/torch/model.py and impls/jax/model.py: the same classes, in the same order;
what autograd does there is written out here. `dx` is the gradient of the loss with respect to x.
Shapes: B batch, T tokens, S keys seen (T, plus those already in the cache), C = n_embd,
H = n_head, D = C/H, F = inner size, V = vocab_size, N tokens scored (T or 1).
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from shared.config import GPTConfig
from .cache import KVCache
from .dropout import Dropout
from .nn import (
    ACTIVATIONS,
    Activation,
    Embedding,
    LayerNorm,
    Linear,
    Module,
    Parameter,
    rows,
    softmax,
    softmax_backward,
)


def split_heads(x: Float[np.ndarray, "B T C"], n_head: int) -> Float[np.ndarray, "B H T D"]:
    """Give each head D of the C channels."""
    B, T, C = x.shape
    return x.reshape(B, T, n_head, C // n_head).swapaxes(1, 2)


def merge_heads(x: Float[np.ndarray, "B H T D"]) -> Float[np.ndarray, "B T C"]:
    """Put the heads' channels side by side again."""
    B, H, T, D = x.shape
    return x.swapaxes(1, 2).reshape(B, T, H * D)


def causal_mask(T: int, S: int, start: int) -> Bool[np.ndarray, "T S"]:
    """True where key j lies in the future of query i, which is at position start + i."""
    i, j = np.arange(T), np.arange(S)
    return j[None, :] > start + i[:, None]


class CausalSelfAttention(Module):
    """Every position gathers from itself and the past (Vaswani et al. 2017, §3.2)."""

    def __init__(self, config: GPTConfig) -> None:
        self.n_head = config.n_head
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.attn_dropout = Dropout(config.dropout)
        self.resid_dropout = Dropout(config.dropout)

    def forward(
        self, x: Float[np.ndarray, "B T C"], cache: KVCache | None = None
    ) -> Float[np.ndarray, "B T C"]:
        q, k, v = np.split(self.c_attn(x), 3, axis=-1)  # 3 × [B, T, C]
        q = self.tap("q", split_heads(q, self.n_head))  # [B, H, T, D]
        k = self.tap("k", split_heads(k, self.n_head))
        v = self.tap("v", split_heads(v, self.n_head))
        start = 0 if cache is None else cache.length
        if cache is not None:  # attend to the past as well
            k, v = cache.extend(k, v)  # [B, H, S, D]
        T, S = q.shape[2], k.shape[2]
        mask = causal_mask(T, S, start)
        scores = self.tap("scores", q @ k.mT / math.sqrt(q.shape[-1]))  # [B, H, T, S]
        att = np.where(mask, -math.inf, scores)
        att = self.tap("weights", softmax(att))  # rows sum to 1
        kept = self.attn_dropout(att)
        y = kept @ v  # [B, H, T, D]
        self.saved = q, k, v, att, kept
        y = self.tap("y", merge_heads(y))  # [B, T, C]
        return self.resid_dropout(self.c_proj(y))

    def backward(self, dy: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        q, k, v, att, kept = self.saved
        dy = self.c_proj.backward(self.resid_dropout.backward(dy))
        dy = split_heads(dy, self.n_head)  # [B, H, T, D]
        datt = self.attn_dropout.backward(dy @ v.mT)  # [B, H, T, T]
        dv = kept.mT @ dy  # [B, H, T, D]
        dscores = softmax_backward(att, datt) / math.sqrt(q.shape[-1])  # 0 where masked: att is 0
        dq = dscores @ k
        dk = dscores.mT @ q
        dqkv = np.concatenate([merge_heads(dq), merge_heads(dk), merge_heads(dv)], axis=-1)
        return self.c_attn.backward(dqkv)


class MLP(Module):
    """Each position on its own: widen, apply the nonlinearity, narrow."""

    def __init__(self, config: GPTConfig) -> None:
        self.c_fc = Linear(config.n_embd, config.inner_size, bias=config.bias)
        self.activation = Activation(*ACTIVATIONS[config.activation])
        self.c_proj = Linear(config.inner_size, config.n_embd, bias=config.bias)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        x = self.c_fc(x)  # [B, T, F]
        x = self.activation(x)
        return self.dropout(self.c_proj(x))

    def backward(self, dy: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        dx = self.c_proj.backward(self.dropout.backward(dy))  # [B, T, F]
        dx = self.activation.backward(dx)
        return self.c_fc.backward(dx)


class Block(Module):
    """Communicate, then compute, each added to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        self.norm = config.norm
        self.ln_1 = LayerNorm(config.n_embd, config.layer_norm_epsilon, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = LayerNorm(config.n_embd, config.layer_norm_epsilon, bias=config.bias)
        self.mlp = MLP(config)

    def forward(
        self, x: Float[np.ndarray, "B T C"], cache: KVCache | None = None
    ) -> Float[np.ndarray, "B T C"]:
        if self.norm == "pre":  # GPT-2: the stream itself is never normalised
            x = x + self.attn(self.ln_1(x), cache)
            x = x + self.mlp(self.ln_2(x))
        else:  # the original Transformer
            x = self.ln_1(x + self.attn(x, cache))
            x = self.ln_2(x + self.mlp(x))
        return x

    def backward(self, dx: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        if self.norm == "pre":  # a sum passes its gradient on to both of its terms
            dx = dx + self.ln_2.backward(self.mlp.backward(dx))
            dx = dx + self.ln_1.backward(self.attn.backward(dx))
        else:
            dx = self.ln_2.backward(dx)
            dx = dx + self.mlp.backward(dx)
            dx = self.ln_1.backward(dx)
            dx = dx + self.attn.backward(dx)
        return dx


class SinusoidalEmbedding(Module):
    """Fixed positions: sines and cosines of many wavelengths (Vaswani et al. 2017, §3.5)."""

    def __init__(self, config: GPTConfig) -> None:
        t = np.arange(config.block_size)[:, None]  # [T, 1]
        c = np.arange(0, config.n_embd, 2)  # [C/2]
        angle = t / 10000.0 ** (c / config.n_embd)  # [T, C/2]
        table = np.stack([np.sin(angle), np.cos(angle)], axis=-1)  # sin even, cos odd
        self.table = table.reshape(config.block_size, config.n_embd)

    def forward(self, positions: Int[np.ndarray, " T"]) -> Float[np.ndarray, "T C"]:
        return self.table[positions]

    def backward(self, dx: Float[np.ndarray, "T C"]) -> None:
        """Nothing to train."""


class GPT(Module):
    """Embed the tokens, apply n_layer blocks, and score every token of the vocabulary."""

    def __init__(self, config: GPTConfig) -> None:
        self.config = config
        self.wte = Embedding(config.vocab_size, config.n_embd)
        if config.position == "learned":
            self.wpe: Embedding | SinusoidalEmbedding = Embedding(config.block_size, config.n_embd)
        else:
            self.wpe = SinusoidalEmbedding(config)
        self.drop = Dropout(config.dropout)
        self.h = [Block(config) for _ in range(config.n_layer)]
        self.ln_f = (
            LayerNorm(config.n_embd, config.layer_norm_epsilon, bias=config.bias)
            if config.norm == "pre"
            else None
        )
        self.lm_head = self.wte.weight
        if not config.tie_weights:
            self.lm_head = Parameter(config.vocab_size, config.n_embd)

    def forward(
        self,
        tokens: Int[np.ndarray, "B T"],
        cache: list[KVCache] | None = None,
        only: int | None = None,
    ) -> Float[np.ndarray, "B N V"]:
        start = 0 if cache is None else cache[0].length
        positions = start + np.arange(tokens.shape[1])
        x = self.tap("embed", self.wte(tokens) + self.wpe(positions))  # [B, T, C]
        x = self.drop(x)
        for i, block in enumerate(self.h):
            x = block(x, None if cache is None else cache[i])
        if only is not None:  # generating needs the scores of one position
            x = x[:, only, None]  # [B, 1, C]
        if self.ln_f is not None:
            x = self.ln_f(x)
        self.saved = x
        return x @ self.lm_head.value.T  # [B, N, V]

    def backward(self, dlogits: Float[np.ndarray, "B T V"]) -> None:
        x = self.saved
        self.lm_head.add_grad(rows(dlogits).T @ rows(x))
        dx = dlogits @ self.lm_head.value
        if self.ln_f is not None:
            dx = self.ln_f.backward(dx)
        for block in reversed(self.h):
            dx = block.backward(dx)
        dx = self.drop.backward(dx)
        self.wte.backward(dx)
        self.wpe.backward(dx.sum(axis=0))  # one table row served the whole batch


def cross_entropy(
    logits: Float[np.ndarray, "B T V"], targets: Int[np.ndarray, "B T"]
) -> np.floating:
    """Mean over all positions of −ln softmax(logits)[target], in nats."""
    top = logits.max(axis=-1, keepdims=True)
    log_sum = top + np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))  # [B, T, 1]
    chosen = np.take_along_axis(logits, targets[..., None], axis=-1)  # [B, T, 1]
    return (log_sum - chosen).mean()


def cross_entropy_backward(
    logits: Float[np.ndarray, "B T V"], targets: Int[np.ndarray, "B T"]
) -> Float[np.ndarray, "B T V"]:
    """(softmax(logits) − one-hot(target)) / (B·T)."""
    dlogits = softmax(logits)
    rows(dlogits)[np.arange(targets.size), targets.ravel()] -= 1
    return dlogits / targets.size
