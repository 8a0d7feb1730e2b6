"""The GPT in PyTorch: nn.Module for the parts, autograd for the gradients.

Read it beside impls/numpy/model.py and impls/jax/model.py: the same classes, in the same order.
Shapes: B batch, T tokens, S keys seen (T, plus those already in the cache), C = n_embd,
H = n_head, D = C/H, F = inner size, V = vocab_size, N tokens scored (T or 1).
"""

import math
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from shared.config import GPTConfig
from shared.taps import NO_TAP, Tap
from .cache import KVCache
from .dropout import Dropout

ACTIVATIONS = {
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),  # torch's default is erf
    "gelu_erf": nn.GELU,
    "relu": nn.ReLU,
}


def split_heads(x: Float[Tensor, "B T C"], n_head: int) -> Float[Tensor, "B H T D"]:
    """Give each head D of the C channels."""
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def merge_heads(x: Float[Tensor, "B H T D"]) -> Float[Tensor, "B T C"]:
    """Put the heads' channels side by side again."""
    B, H, T, D = x.shape
    return x.transpose(1, 2).reshape(B, T, H * D)


def causal_mask(T: int, S: int, start: int, device: torch.device) -> Bool[Tensor, "T S"]:
    """True where key j lies in the future of query i, which is at position start + i."""
    i, j = torch.arange(T, device=device), torch.arange(S, device=device)
    return j[None, :] > start + i[:, None]


class CausalSelfAttention(nn.Module):
    """Every position gathers from itself and the past (Vaswani et al. 2017, §3.2)."""

    tap: Tap = NO_TAP

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.attn_dropout = Dropout(config.dropout)
        self.resid_dropout = Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "B T C"], cache: KVCache | None = None
    ) -> Float[Tensor, "B T C"]:
        q, k, v = self.c_attn(x).chunk(3, dim=-1)  # 3 × [B, T, C]
        q = self.tap("q", split_heads(q, self.n_head))  # [B, H, T, D]
        k = self.tap("k", split_heads(k, self.n_head))
        v = self.tap("v", split_heads(v, self.n_head))
        start = 0 if cache is None else cache.length
        if cache is not None:  # attend to the past as well
            k, v = cache.extend(k, v)  # [B, H, S, D]
        T, S = q.shape[2], k.shape[2]
        if not self.tap and self.attn_dropout.mask is None and T in (1, S):
            # The fused kernel never forms the [T, S] matrices.
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        else:
            mask = causal_mask(T, S, start, x.device)
            scores = self.tap("scores", q @ k.mT / math.sqrt(q.shape[-1]))  # [B, H, T, S]
            att = scores.masked_fill(mask, -math.inf)
            att = self.tap("weights", functional.softmax(att, dim=-1))  # rows sum to 1
            kept = self.attn_dropout(att)
            y = kept @ v  # [B, H, T, D]
        y = self.tap("y", merge_heads(y))  # [B, T, C]
        return self.resid_dropout(self.c_proj(y))


class MLP(nn.Module):
    """Each position on its own: widen, apply the nonlinearity, narrow."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, config.inner_size, bias=config.bias)
        self.activation = ACTIVATIONS[config.activation]()
        self.c_proj = nn.Linear(config.inner_size, config.n_embd, bias=config.bias)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        x = self.c_fc(x)  # [B, T, F]
        x = self.activation(x)
        return self.dropout(self.c_proj(x))


class Block(nn.Module):
    """Communicate, then compute, each added to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.norm = config.norm
        self.ln_1 = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, bias=config.bias)
        self.mlp = MLP(config)

    def forward(
        self, x: Float[Tensor, "B T C"], cache: KVCache | None = None
    ) -> Float[Tensor, "B T C"]:
        if self.norm == "pre":  # GPT-2: the stream itself is never normalised
            x = x + self.attn(self.ln_1(x), cache)
            x = x + self.mlp(self.ln_2(x))
        else:  # the original Transformer
            x = self.ln_1(x + self.attn(x, cache))
            x = self.ln_2(x + self.mlp(x))
        return x


class SinusoidalEmbedding(nn.Module):
    """Fixed positions: sines and cosines of many wavelengths (Vaswani et al. 2017, §3.5)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        t = torch.arange(config.block_size, dtype=torch.float64)[:, None]  # [T, 1]
        c = torch.arange(0, config.n_embd, 2, dtype=torch.float64)  # [C/2]
        angle = t / 10000.0 ** (c / config.n_embd)  # [T, C/2]
        table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)  # sin even, cos odd
        self.register_buffer("table", table, persistent=False)

    def forward(self, positions: Int[Tensor, " T"]) -> Float[Tensor, "T C"]:
        return self.table[positions]


class GPT(nn.Module):
    """Embed the tokens, apply n_layer blocks, and score every token of the vocabulary."""

    tap: Tap = NO_TAP

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        if config.position == "learned":
            self.wpe = nn.Embedding(config.block_size, config.n_embd)
        else:
            self.wpe = SinusoidalEmbedding(config)
        self.drop = Dropout(config.dropout)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = (
            nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, bias=config.bias)
            if config.norm == "pre"
            else None
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_weights:
            self.lm_head.weight = self.wte.weight

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        cache: list[KVCache] | None = None,
        only: int | None = None,
    ) -> Float[Tensor, "B N V"]:
        start = 0 if cache is None else cache[0].length
        positions = start + torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tap("embed", self.wte(tokens) + self.wpe(positions))  # [B, T, C]
        x = self.drop(x)
        for i, block in enumerate(self.h):
            x = block(x, None if cache is None else cache[i])
        if only is not None:  # generating needs the scores of one position
            x = x[:, only, None]  # [B, 1, C]
        if self.ln_f is not None:
            x = self.ln_f(x)
        return self.lm_head(x)  # [B, N, V]


def cross_entropy(logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean over all positions of −ln softmax(logits)[target], in nats."""
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
