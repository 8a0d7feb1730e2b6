"""Generate text one token at a time, with the keys and values of the past in a cache."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from shared.config import GPTConfig, SampleConfig
from shared.randomness import uniform
from .cache import KVCache, empty_cache


@runtime_checkable
class Live(Protocol):
    """A model whose weights may be replaced between two tokens, by a training step."""

    config: GPTConfig
    graphdef: nnx.GraphDef
    params: nnx.State


def generate(model: Live, prompt: Int[np.ndarray, " T0"], config: SampleConfig) -> Iterator[int]:
    """The tokens that follow `prompt`, one by one."""
    return (token for token, _ in decode(model, prompt, config))


def decode(
    model: Live, prompt: Int[np.ndarray, " T0"], config: SampleConfig
) -> Iterator[tuple[int, Float[Array, " V"]]]:
    """The tokens that follow `prompt`, each with the logits that it was drawn from.

    Inside the window, each new token costs one position: the past is in the cache. Once the window
    is full, it slides: every position changes, so the cache is useless, and each token costs a full
    forward over the last block_size tokens.
    """
    block_size = model.config.block_size
    tokens = prompt.tolist()
    seen = min(len(tokens), block_size)
    size = room_for(seen, block_size)
    cache = empty_cache(model.config, size, jax.tree.leaves(model.params)[0].dtype)
    # Compiled code has fixed shapes, so a short window is padded; what follows the last token does
    # not affect it.
    window = np.zeros((1, size), np.int32)
    window[0, :seen] = tokens[-seen:]
    # Read `model.params` at every token: a training step in between donates the old arrays.
    logits, cache = forward(model.graphdef, model.params, window, cache, only=seen - 1)  # [V]
    for position in range(len(prompt), len(prompt) + config.max_new_tokens):
        token = sample_token(logits, uniform(config.seed, position), config)
        yield token, logits
        tokens.append(token)
        if len(tokens) <= block_size:
            size = room_for(len(tokens), block_size)
            cache = [past.widen(size) for past in cache]
            new = np.array([[token]], np.int32)
            logits, cache = forward(model.graphdef, model.params, new, cache, position, only=-1)
        else:
            new = np.array([tokens[-block_size:]], np.int32)
            logits, _ = forward(model.graphdef, model.params, new, only=-1)


def room_for(length: int, block_size: int) -> int:
    """The size of a cache for `length` tokens: 64, 256, 1024 and so on, at most block_size.
    Attention reads all of it, so smaller is faster; each size is compiled separately, so there are
    few."""
    size = 64
    while size < length:
        size *= 4
    return min(size, block_size)


@partial(jax.jit, static_argnames="graphdef", donate_argnames="cache")
def forward(
    graphdef: nnx.GraphDef,
    params: nnx.State,
    tokens: Int[Array, "B T"],
    cache: list[KVCache] | None = None,
    start: int | Int[Array, ""] = 0,
    only: int | Int[Array, ""] | None = None,
) -> tuple[Float[Array, "B T V"] | Float[Array, " V"], list[KVCache] | None]:
    """The logits of all positions; with `only`, those of that position in the first text. (They are
    taken out here, because indexing takes 0.15 ms outside of compiled code.) Also a new cache: the
    given one up to `start`, then the new keys and values.

    (Beyond `start`, it may hold those of the first window's padding.) The old cache is donated: the
    new one takes its place in memory.
    """
    if cache is not None:
        cache = [replace(past, length=start) for past in cache]
    logits = nnx.merge(graphdef, params)(tokens, cache, only)
    return (logits if only is None else logits[0, 0]), cache


def sample_token(logits: Float[Array, " V"], u: float, config: SampleConfig) -> int:
    """Draw a token: invert the CDF at the uniform number u in [0, 1).

    Always in float64, and with the CDF in the order of the ids, so that backends whose logits
    differ by rounding still choose the same token. Among equal probabilities, the lower id counts
    as more likely.
    """
    if config.temperature == 0:
        return int(logits.argmax())
    top_k = logits.shape[0] if config.top_k is None else config.top_k
    top_p = jnp.inf if config.top_p is None else config.top_p
    return int(inverse_cdf(logits, u, config.temperature, top_k, top_p))


@jax.jit
def inverse_cdf(
    logits: Float[Array, " V"],
    u: float | Array,
    temperature: float | Array,
    top_k: int | Array,
    top_p: float | Array,
) -> Int[Array, ""]:
    """The sampling itself, compiled once for all settings."""
    gaps = logits.astype(jnp.float64) - logits.max()
    # XLA's exp is NaN below about −1e20; e^−10000 is already 0.
    p = jax.nn.softmax(jnp.maximum(gaps / temperature, -1e4))
    order = jnp.argsort(p, descending=True, stable=True)  # most likely first
    ranked = jnp.where(jnp.arange(p.shape[0]) < top_k, p[order], 0)
    ranked = ranked / ranked.sum()
    before = jnp.cumsum(ranked) - ranked  # the total probability of all likelier tokens
    ranked = jnp.where(before < top_p, ranked, 0)  # never the first: nothing is before it
    cdf = jnp.cumsum(p.at[order].set(ranked))
    return jnp.searchsorted(cdf, u * cdf[-1], side="right")
