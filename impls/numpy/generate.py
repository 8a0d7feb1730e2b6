"""Generate text one token at a time, with the keys and values of the past in a cache."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from shared.config import SampleConfig
from shared.randomness import uniform
from .cache import empty_cache
from .model import GPT
from .nn import softmax


def generate(model: GPT, prompt: Int[np.ndarray, " T0"], config: SampleConfig) -> Iterator[int]:
    """The tokens that follow `prompt`, one by one."""
    return (token for token, _ in decode(model, prompt, config))


def decode(
    model: GPT, prompt: Int[np.ndarray, " T0"], config: SampleConfig
) -> Iterator[tuple[int, Float[np.ndarray, " V"]]]:
    """The tokens that follow `prompt`, each with the logits that it was drawn from.

    Inside the window, each new token costs one position: the past is in the cache. Once the window
    is full, it slides: every position changes, so the cache is useless, and each token costs a full
    forward over the last block_size tokens.
    """
    block_size = model.config.block_size
    tokens = prompt.tolist()
    cache = empty_cache(model.config, model.wte.weight.value.dtype)
    logits = model(np.array([tokens[-block_size:]]), cache, only=-1)  # [1, 1, V]
    for position in range(len(prompt), len(prompt) + config.max_new_tokens):
        token = sample_token(logits[0, -1], uniform(config.seed, position), config)
        yield token, logits[0, -1]
        tokens.append(token)
        if len(tokens) <= block_size:
            logits = model(np.array([[token]]), cache)
        else:
            logits = model(np.array([tokens[-block_size:]]), only=-1)


def sample_token(logits: Float[np.ndarray, " V"], u: float, config: SampleConfig) -> int:
    """Draw a token: invert the CDF at the uniform number u in [0, 1).

    Always in float64, and with the CDF in the order of the ids, so that backends whose logits
    differ by rounding still choose the same token. Among equal probabilities, the lower id counts
    as more likely.
    """
    if config.temperature == 0:
        return int(logits.argmax())
    p = softmax(logits.astype(np.float64) / config.temperature)
    order = np.argsort(-p, kind="stable")  # most likely first
    ranked = p[order]
    if config.top_k is not None:
        ranked[config.top_k :] = 0
        ranked /= ranked.sum()
    if config.top_p is not None:
        before = np.cumsum(ranked) - ranked  # the total probability of all likelier tokens
        ranked[before >= config.top_p] = 0  # never the first: nothing is before it
    p[order] = ranked
    cdf = np.cumsum(p)
    return int(np.searchsorted(cdf, u * cdf[-1], side="right"))
