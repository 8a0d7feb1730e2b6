"""The GPT, with its mathematics left out: every `todo` is yours, forward first, then backward.

The ladder sees what modules return and what goes through `tap`. Rewrite what you like, but keep
these. `dx` is the gradient of the loss by x.
Shapes: B batch, T tokens, S keys seen (T, and with a cache those before it too), C = n_embd,
H = n_head, D = C/H, F = inner size, V = vocab_size.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from shared.config import GPTConfig
from .cache import KVCache
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
    todo,
)


def split_heads(x: Float[np.ndarray, "B T C"], n_head: int) -> Float[np.ndarray, "B H T D"]:
    """Give every head its own D of the C channels: head 0 the first D, head 1 the next."""
    return todo("[B, T, C] → [B, T, H, D] → [B, H, T, D]")


def merge_heads(x: Float[np.ndarray, "B H T D"]) -> Float[np.ndarray, "B T C"]:
    """Put the heads' channels side by side again: the inverse of `split_heads`."""
    return todo("[B, H, T, D] → [B, T, H, D] → [B, T, C]")


def causal_mask(T: int, S: int, start: int) -> Bool[np.ndarray, "T S"]:
    """True where key j lies in the future of query i, which stands at position start + i."""
    return todo("a matrix of truth values, [T, S]")


class CausalSelfAttention(Module):
    """Every position gathers from itself and the past (Vaswani et al. 2017, §3.2)."""

    def __init__(self, config: GPTConfig) -> None:
        self.n_head = config.n_head
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = Linear(config.n_embd, config.n_embd, bias=config.bias)

    def forward(
        self, x: Float[np.ndarray, "B T C"], cache: KVCache | None = None
    ) -> Float[np.ndarray, "B T C"]:
        """softmax(q kᵀ / √D + mask) v in every head, where mask is −inf at the keys of the future.

        The cache is for later; there is none while the model is trained.
        """
        q, k, v = todo("c_attn(x), cut into three along the channels")  # 3 × [B, T, C]
        q = self.tap("q", split_heads(q, self.n_head))  # [B, H, T, D]
        k = self.tap("k", split_heads(k, self.n_head))
        v = self.tap("v", split_heads(v, self.n_head))
        start = 0 if cache is None else cache.length
        if cache is not None:  # attend to the past as well
            k, v = cache.extend(k, v)  # [B, H, S, D]
        scores = self.tap("scores", todo("q kᵀ / √D"))  # [B, H, T, S]
        T, S = q.shape[2], k.shape[2]
        mask = causal_mask(T, S, start)
        att = self.tap("weights", todo("softmax of the scores, those of the future −inf"))
        y = todo("the weighted sums of v")  # [B, H, T, D]
        self.saved = q, k, v, att
        y = self.tap("y", merge_heads(y))  # [B, T, C]
        return todo("the projection c_proj of y")

    def backward(self, dy: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        """From y = att v: datt = dy vᵀ and dv = attᵀ dy. Through the softmax: dscores. From
        scores = q kᵀ / √D: dq = dscores k / √D and dk = dscoresᵀ q / √D."""
        q, k, v, att = self.saved
        dy = todo("back through c_proj, and split into heads")  # [B, H, T, D]
        dv = todo("the gradient by v")
        datt = todo("the gradient by att")  # [B, H, T, T]
        dscores = todo("the gradient by the scores; √D can be divided by here")
        dq, dk = todo("the gradients by q and k")
        return todo("merge the heads of dq, dk, dv, side by side again, back through c_attn")


class MLP(Module):
    """Every position thinks for itself: widen, bend, narrow."""

    def __init__(self, config: GPTConfig) -> None:
        self.c_fc = Linear(config.n_embd, config.inner_size, bias=config.bias)
        self.activation = Activation(*ACTIVATIONS[config.activation])
        self.c_proj = Linear(config.inner_size, config.n_embd, bias=config.bias)

    def forward(self, x: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        """c_proj(activation(c_fc(x)))."""
        x = todo("c_fc of x")  # [B, T, F]
        x = todo("the activation of that")
        return todo("c_proj of that")

    def backward(self, dy: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        """The same three in reverse, each by its own backward."""
        return todo("dx")


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
        """pre:  x ← x + attn(ln_1(x)); x ← x + mlp(ln_2(x)) (GPT-2; Radford et al. 2019, §2.3)

        post: x ← ln_1(x + attn(x)); x ← ln_2(x + mlp(x)) (Vaswani et al. 2017, §3.1)
        """
        if self.norm == "pre":
            y = self.attn(self.ln_1(x), cache)
            x = todo("the residual stream: x and what attention adds to it")
            y = self.mlp(self.ln_2(x))
            x = todo("the residual stream: x and what the MLP adds to it")
        else:  # leave it for last
            x = todo("the original Transformer, of the same four modules")
        return x

    def backward(self, dx: Float[np.ndarray, "B T C"]) -> Float[np.ndarray, "B T C"]:
        """A sum hands its gradient to both of its terms. Last sublayer first."""
        if self.norm == "pre":
            dx = todo("back through the MLP and ln_2, and around them")
            dx = todo("back through attention and ln_1, and around them")
        else:  # leave it for last
            dx = todo("the same for the original Transformer")
        return dx


class SinusoidalEmbedding(Module):
    """Fixed positions: sines and cosines of many wavelengths (Vaswani et al. 2017, §3.5)."""

    def __init__(self, config: GPTConfig) -> None:
        # table[t, 2c] = sin(t / 10000^(2c/C)) and table[t, 2c + 1] = cos of the same
        self.table = todo("the table of positions, [block_size, C]; leave it for last")

    def forward(self, positions: Int[np.ndarray, " T"]) -> Float[np.ndarray, "T C"]:
        return self.table[positions]

    def backward(self, dx: Float[np.ndarray, "T C"]) -> None:
        """Nothing to train."""


class GPT(Module):
    """Embed, n_layer blocks, and a score for every token of the vocabulary."""

    def __init__(self, config: GPTConfig) -> None:
        self.config = config
        self.wte = Embedding(config.vocab_size, config.n_embd)
        if config.position == "learned":
            self.wpe: Embedding | SinusoidalEmbedding = Embedding(config.block_size, config.n_embd)
        else:
            self.wpe = SinusoidalEmbedding(config)
        self.h = [Block(config) for _ in range(config.n_layer)]
        self.ln_f = (
            LayerNorm(config.n_embd, config.layer_norm_epsilon, bias=config.bias)
            if config.norm == "pre"
            else None
        )
        self.lm_head = self.wte.weight  # one parameter in two places (Press & Wolf 2017)
        if not config.tie_weights:
            self.lm_head = Parameter(config.vocab_size, config.n_embd)

    def forward(
        self, tokens: Int[np.ndarray, "B T"], cache: list[KVCache] | None = None
    ) -> Float[np.ndarray, "B T V"]:
        """x = wte[tokens] + wpe[positions], then the blocks, ln_f, and logits = x lm_headᵀ."""
        start = 0 if cache is None else cache[0].length
        positions = start + np.arange(tokens.shape[1])  # [T]
        x = self.tap("embed", todo("the embeddings of tokens and positions, added"))  # [B, T, C]
        for i, block in enumerate(self.h):
            x = block(x, None if cache is None else cache[i])
        if self.ln_f is not None:
            x = self.ln_f(x)
        self.saved = x
        return todo("a score for every token, by lm_head")  # [B, T, V]

    def backward(self, dlogits: Float[np.ndarray, "B T V"]) -> None:
        """From logits = x lm_headᵀ: dlm_head = dlogitsᵀ x over all positions, dx = dlogits lm_head.
        Then everything of the forward in reverse. A row of wpe served the whole batch."""
        x = self.saved
        self.lm_head.add_grad(todo("the gradient by lm_head"))  # [V, C]
        dx = todo("the gradient by x")  # [B, T, C]
        if self.ln_f is not None:
            dx = self.ln_f.backward(dx)
        for block in reversed(self.h):
            dx = block.backward(dx)
        self.wte.backward(dx)
        self.wpe.backward(todo("the gradient by the positions' rows"))  # [T, C]


def cross_entropy(
    logits: Float[np.ndarray, "B T V"], targets: Int[np.ndarray, "B T"]
) -> np.floating:
    """Mean over all positions of −ln softmax(logits)[target], in nats.

    As log Σ exp(logits) − logits[target], which neither overflows (if the largest is subtracted
    first) nor takes the logarithm of 0.
    """
    return todo("one number")


def cross_entropy_backward(
    logits: Float[np.ndarray, "B T V"], targets: Int[np.ndarray, "B T"]
) -> Float[np.ndarray, "B T V"]:
    """dlogits = (softmax(logits) − one-hot(target)) / (B·T)."""
    return todo("dlogits")
