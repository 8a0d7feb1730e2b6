"""Writing text: choosing a token, and a cache that makes the next one cheap."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from shared.config import SampleConfig
from shared.randomness import uniform
from .cache import empty_cache
from .model import GPT
from .nn import softmax, todo


def generate(model: GPT, prompt: Int[np.ndarray, " T0"], config: SampleConfig) -> Iterator[int]:
    """The tokens that follow `prompt`, one by one.

    This is correct but slow: every token recomputes the whole window. First write `sample_token`.
    Then give the model a cache (`empty_cache` in cache.py), so that a token costs one position:
    `model(tokens, cache)`. Once the window is full it slides, every position moves, and nothing
    cached is right any more: from there on it has to be done as it is done here.
    """
    block_size = model.config.block_size
    tokens = prompt.tolist()
    for position in range(len(prompt), len(prompt) + config.max_new_tokens):
        logits = model(np.array([tokens[-block_size:]]))  # [1, T, V]
        token = sample_token(logits[0, -1], uniform(config.seed, position), config)
        yield token
        tokens.append(token)


def sample_token(logits: Float[np.ndarray, " V"], u: float, config: SampleConfig) -> int:
    """The token that the uniform number u in [0, 1) falls on, by the inverse of the CDF.

    The CDF runs in the order of the ids: the answer is the first id up to which the probabilities
    sum to more than u. Temperature 0 means the most likely token. In float64 whatever the model's
    precision, so that backends whose logits differ by rounding choose the same token.
    """
    if config.temperature == 0:
        return todo("greedy: the most likely token, as an int")
    p = todo("softmax(logits / temperature), in float64")  # [V]
    order = np.argsort(-p, kind="stable")  # most likely first; of equals the lower id
    ranked = p[order]
    if config.top_k is not None:
        ranked = todo("only the k most likely, and these sum to 1 again")
    if config.top_p is not None:  # (Holtzman et al. 2020, §3.1)
        ranked = todo("only the fewest most likely that together reach top_p")
    p[order] = ranked
    return todo("the id that u falls on, as an int; p may sum to less than 1")
