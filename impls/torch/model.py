"""The GPT in PyTorch: nn.Module for the parts, autograd for the gradients.

Read it beside impls/numpy/model.py and impls/jax/model.py: the same classes, in the same order.
Shapes: B batch, T tokens, S keys seen (T, and with a cache those before it too), C = n_embd,
H = n_head, D = C/H, F = inner size, V = vocab_size.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from shared.config import GPTConfig
from shared.taps import NO_TAP, Tap

ACTIVATIONS = {
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),  # torch's default is erf
    "gelu_erf": functional.gelu,
    "relu": functional.relu,
}


class LayerNorm(nn.Module):
    """Normalise each position to mean 0 and variance 1, then scale and shift (Ba et al. 2016)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.epsilon = config.layer_norm_epsilon
        self.weight = nn.Parameter(torch.ones(config.n_embd))
        self.bias = nn.Parameter(torch.zeros(config.n_embd)) if config.bias else None

    def forward(self, x: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


def split_heads(x: Float[Tensor, "B T C"], n_head: int) -> Float[Tensor, "B H T D"]:
    """Give every head its own D of the C channels."""
    B, T, C = x.shape
    return x.view(B, T, n_head, C // n_head).transpose(1, 2)


def merge_heads(x: Float[Tensor, "B H T D"]) -> Float[Tensor, "B T C"]:
    """Put the heads' channels side by side again."""
    B, H, T, D = x.shape
    return x.transpose(1, 2).reshape(B, T, H * D)


def causal_mask(T: int, S: int, start: int, device: torch.device) -> Bool[Tensor, "T S"]:
    """True where key j lies in the future of query i, which stands at position start + i."""
    i, j = torch.arange(T, device=device), torch.arange(S, device=device)
    return j[None, :] > start + i[:, None]


class CausalSelfAttention(nn.Module):
    """Every position gathers from itself and the past (Vaswani et al. 2017, §3.2)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        cache: dict[str, Tensor] | None = None,
        start: int = 0,
        tap: Tap = NO_TAP,
    ) -> Float[Tensor, "B T C"]:
        T = x.shape[1]
        q, k, v = self.c_attn(x).chunk(3, dim=-1)  # 3 × [B, T, C]
        q = tap("q", split_heads(q, self.n_head))  # [B, H, T, D]
        k = tap("k", split_heads(k, self.n_head))
        v = tap("v", split_heads(v, self.n_head))
        if cache is not None:  # write the new keys and values, attend to all so far
            cache["k"][:, :, start : start + T] = k
            cache["v"][:, :, start : start + T] = v
            k, v = cache["k"][:, :, : start + T], cache["v"][:, :, : start + T]  # [B, H, S, D]
        if not tap and start == 0:  # the fused kernel never forms the [T, S] matrices
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            mask = causal_mask(T, k.shape[2], start, x.device)
            scores = tap("scores", q @ k.mT / math.sqrt(q.shape[-1]))  # [B, H, T, S]
            att = scores.masked_fill(mask, -math.inf)
            att = tap("weights", functional.softmax(att, dim=-1))  # rows sum to 1
            y = att @ v  # [B, H, T, D]
        y = tap("y", merge_heads(y))  # [B, T, C]
        return self.c_proj(y)


class MLP(nn.Module):
    """Every position thinks for itself: widen, bend, narrow."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, config.inner_size, bias=config.bias)
        self.activation = ACTIVATIONS[config.activation]
        self.c_proj = nn.Linear(config.inner_size, config.n_embd, bias=config.bias)

    def forward(self, x: Float[Tensor, "B T C"], tap: Tap = NO_TAP) -> Float[Tensor, "B T C"]:
        x = tap("fc", self.c_fc(x))  # [B, T, F]
        x = tap("act", self.activation(x))
        return self.c_proj(x)


class Block(nn.Module):
    """Communicate, then compute, each added to the residual stream."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.norm = config.norm
        self.ln_1 = LayerNorm(config)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = LayerNorm(config)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        cache: dict[str, Tensor] | None = None,
        start: int = 0,
        tap: Tap = NO_TAP,
    ) -> Float[Tensor, "B T C"]:
        if self.norm == "pre":  # GPT-2: the stream itself is never normalised
            y = tap("ln_1", self.ln_1(x))
            x = x + tap("attn", self.attn(y, cache, start, tap.inside("attn")))
            y = tap("ln_2", self.ln_2(x))
            x = x + tap("mlp", self.mlp(y, tap.inside("mlp")))
        else:  # the original Transformer
            y = tap("attn", self.attn(x, cache, start, tap.inside("attn")))
            x = tap("ln_1", self.ln_1(x + y))
            y = tap("mlp", self.mlp(x, tap.inside("mlp")))
            x = tap("ln_2", self.ln_2(x + y))
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
    """Embed, n_layer blocks, and a score for every token of the vocabulary."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        if config.position == "learned":
            self.wpe = nn.Embedding(config.block_size, config.n_embd)
        else:
            self.wpe = SinusoidalEmbedding(config)
        self.h = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = LayerNorm(config) if config.norm == "pre" else None
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tie_weights:
            self.lm_head.weight = self.wte.weight

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        cache: list[dict[str, Tensor]] | None = None,
        start: int = 0,
        tap: Tap = NO_TAP,
    ) -> Float[Tensor, "B T V"]:
        positions = start + torch.arange(tokens.shape[1], device=tokens.device)
        x = tap("embed", self.wte(tokens) + self.wpe(positions))  # [B, T, C]
        for i, block in enumerate(self.h):
            past = None if cache is None else cache[i]
            x = tap(f"h.{i}", block(x, past, start, tap.inside(f"h.{i}")))
        if self.ln_f is not None:
            x = tap("ln_f", self.ln_f(x))
        logits = tap("logits", self.lm_head(x))  # [B, T, V]
        if tap:
            tap("probs", functional.softmax(logits, dim=-1))
        return logits


def cross_entropy(logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean over all positions of −ln softmax(logits)[target], in nats."""
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
