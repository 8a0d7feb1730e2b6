"""The GPT in JAX: flax nnx modules for the parts, jax.grad for the gradients.

Read it beside impls/numpy/model.py and impls/torch/model.py: the same classes, in the same order.
Shapes: B batch, T tokens, S keys seen (T, or all slots of the cache), C = n_embd,
H = n_head, D = C/H, F = inner size, V = vocab_size, N tokens scored (T or 1).
"""

import math

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from shared.config import GPTConfig
from shared.taps import NO_TAP, Tap
from .cache import KVCache
from .dropout import Dropout
from .nn import LayerNorm, Linear, Types

# Without this, JAX silently turns float64 into float32. With it, arrays state their precision.
jax.config.update("jax_enable_x64", True)

ACTIVATIONS = {
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "gelu_erf": lambda x: jax.nn.gelu(x, approximate=False),  # jax's default is tanh
    "relu": jax.nn.relu,
}


def split_heads(x: Float[Array, "B T C"], n_head: int) -> Float[Array, "B H T D"]:
    """Give each head D of the C channels."""
    B, T, C = x.shape
    return x.reshape(B, T, n_head, C // n_head).swapaxes(1, 2)


def merge_heads(x: Float[Array, "B H T D"]) -> Float[Array, "B T C"]:
    """Put the heads' channels side by side again."""
    B, H, T, D = x.shape
    return x.swapaxes(1, 2).reshape(B, T, H * D)


def causal_mask(T: int, S: int, start: int | Array) -> Bool[Array, "T S"]:
    """True where key j lies in the future of query i, which is at position start + i."""
    i, j = jnp.arange(T), jnp.arange(S)
    return j[None, :] > start + i[:, None]


class CausalSelfAttention(nnx.Module):
    """Every position gathers from itself and the past (Vaswani et al. 2017, §3.2)."""

    tap: Tap = NO_TAP

    def __init__(self, config: GPTConfig, types: Types, rngs: nnx.Rngs) -> None:
        self.n_head = config.n_head
        options = {"use_bias": config.bias, "rngs": rngs, **types}
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd, **options)
        self.c_proj = Linear(config.n_embd, config.n_embd, **options)
        self.attn_dropout = Dropout(config.dropout)
        self.resid_dropout = Dropout(config.dropout)

    def __call__(
        self, x: Float[Array, "B T C"], cache: KVCache | None = None
    ) -> Float[Array, "B T C"]:
        q, k, v = jnp.split(self.c_attn(x), 3, axis=-1)  # 3 × [B, T, C]
        q = self.tap("q", split_heads(q, self.n_head))  # [B, H, T, D]
        k = self.tap("k", split_heads(k, self.n_head))
        v = self.tap("v", split_heads(v, self.n_head))
        start = 0 if cache is None else cache.length
        if cache is not None:  # attend to the past as well
            k, v = cache.extend(k, v)  # [B, H, S, D]
        T, S = q.shape[2], k.shape[2]
        mask = causal_mask(T, S, start)
        scores = self.tap("scores", q @ k.mT / math.sqrt(q.shape[-1]))  # [B, H, T, S]
        att = jnp.where(mask, -jnp.inf, scores)
        att = self.tap("weights", jax.nn.softmax(att, axis=-1))  # rows sum to 1
        kept = self.attn_dropout(att)
        y = kept @ v  # [B, H, T, D]
        y = self.tap("y", merge_heads(y))  # [B, T, C]
        return self.resid_dropout(self.c_proj(y))


class MLP(nnx.Module):
    """Each position on its own: widen, apply the nonlinearity, narrow."""

    tap: Tap = NO_TAP

    def __init__(self, config: GPTConfig, types: Types, rngs: nnx.Rngs) -> None:
        options = {"use_bias": config.bias, "rngs": rngs, **types}
        self.c_fc = Linear(config.n_embd, config.inner_size, **options)
        self.activation = ACTIVATIONS[config.activation]
        self.c_proj = Linear(config.inner_size, config.n_embd, **options)
        self.dropout = Dropout(config.dropout)

    def __call__(self, x: Float[Array, "B T C"]) -> Float[Array, "B T C"]:
        x = self.c_fc(x)  # [B, T, F]
        x = self.tap("activation", self.activation(x))
        return self.dropout(self.c_proj(x))


class Block(nnx.Module):
    """Communicate, then compute, each added to the residual stream."""

    def __init__(self, config: GPTConfig, types: Types, rngs: nnx.Rngs) -> None:
        self.norm = config.norm
        norm = {
            "epsilon": config.layer_norm_epsilon,
            "use_bias": config.bias,
            "rngs": rngs,
            **types,
        }
        self.ln_1 = LayerNorm(config.n_embd, **norm)
        self.attn = CausalSelfAttention(config, types, rngs)
        self.ln_2 = LayerNorm(config.n_embd, **norm)
        self.mlp = MLP(config, types, rngs)

    def __call__(
        self, x: Float[Array, "B T C"], cache: KVCache | None = None
    ) -> Float[Array, "B T C"]:
        if self.norm == "pre":  # GPT-2: the stream itself is never normalised
            x = x + self.attn(self.ln_1(x), cache)
            x = x + self.mlp(self.ln_2(x))
        else:  # the original Transformer
            x = self.ln_1(x + self.attn(x, cache))
            x = self.ln_2(x + self.mlp(x))
        return x


class SinusoidalEmbedding(nnx.Module):
    """Fixed positions: sines and cosines of many wavelengths (Vaswani et al. 2017, §3.5)."""

    def __init__(self, config: GPTConfig, dtype: jnp.dtype) -> None:
        self.n_embd = config.n_embd
        self.dtype = dtype

    def __call__(self, positions: Int[Array, " T"]) -> Float[Array, "T C"]:
        t = positions[:, None].astype(jnp.float64)  # [T, 1]
        c = jnp.arange(0, self.n_embd, 2, dtype=jnp.float64)  # [C/2]
        angle = t / 10000.0 ** (c / self.n_embd)  # [T, C/2]
        table = jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)  # sin even, cos odd
        return table.reshape(-1, self.n_embd).astype(self.dtype)


class GPT(nnx.Module):
    """Embed the tokens, apply n_layer blocks, and score every token of the vocabulary."""

    tap: Tap = NO_TAP

    def __init__(self, config: GPTConfig, types: Types, rngs: nnx.Rngs) -> None:
        self.config = config
        options = {"rngs": rngs, **types}
        self.wte = nnx.Embed(config.vocab_size, config.n_embd, **options)
        if config.position == "learned":
            self.wpe = nnx.Embed(config.block_size, config.n_embd, **options)
        else:
            self.wpe = SinusoidalEmbedding(config, types["dtype"])
        self.drop = Dropout(config.dropout)
        self.h = nnx.List(Block(config, types, rngs) for _ in range(config.n_layer))
        norm = {"epsilon": config.layer_norm_epsilon, "use_bias": config.bias, **options}
        self.ln_f = LayerNorm(config.n_embd, **norm) if config.norm == "pre" else None
        if config.tie_weights:
            self.lm_head = None  # wte.attend
        else:
            self.lm_head = Linear(config.n_embd, config.vocab_size, use_bias=False, **options)

    def __call__(
        self,
        tokens: Int[Array, "B T"],
        cache: list[KVCache] | None = None,
        only: int | Int[Array, ""] | None = None,
    ) -> Float[Array, "B N V"]:
        start = 0 if cache is None else cache[0].length
        positions = start + jnp.arange(tokens.shape[1])
        x = self.tap("embed", self.wte(tokens) + self.wpe(positions))  # [B, T, C]
        x = self.drop(x)
        for i, block in enumerate(self.h):
            x = block(x, None if cache is None else cache[i])
        if only is not None:  # generating needs the scores of one position
            x = x[:, only, None]  # [B, 1, C]
        if self.ln_f is not None:
            x = self.ln_f(x)
        return self.wte.attend(x) if self.lm_head is None else self.lm_head(x)  # [B, N, V]


def cross_entropy(logits: Float[Array, "B T V"], targets: Int[Array, "B T"]) -> Float[Array, ""]:
    """Mean over all positions of −ln softmax(logits)[target], in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()
