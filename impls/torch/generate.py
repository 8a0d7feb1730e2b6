"""Generate text one token at a time, with the keys and values of the past in a cache."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from shared.config import SampleConfig
from shared.randomness import uniform
from .cache import KVCache, empty_cache
from .model import GPT


def generate(model: GPT, prompt: Int[np.ndarray, " T0"], config: SampleConfig) -> Iterator[int]:
    """The tokens that follow `prompt`, one by one."""
    return (token for token, _ in decode(model, prompt, config))


def decode(
    model: GPT, prompt: Int[np.ndarray, " T0"], config: SampleConfig
) -> Iterator[tuple[int, Float[Tensor, " V"]]]:
    """The tokens that follow `prompt`, each with the logits that it was drawn from.

    Inside the window, each new token costs one position: the past is in the cache. Once the window
    is full, it slides: every position changes, so the cache is useless, and each token costs a full
    forward over the last block_size tokens.
    """
    block_size = model.config.block_size
    device = model.wte.weight.device
    tokens = prompt.tolist()
    cache = empty_cache(model.config, model.wte.weight)
    logits = forward(model, torch.tensor([tokens[-block_size:]], device=device), cache)
    for position in range(len(prompt), len(prompt) + config.max_new_tokens):
        token = sample_token(logits[0, -1], uniform(config.seed, position), config)
        yield token, logits[0, -1]
        tokens.append(token)
        if len(tokens) <= block_size:
            logits = forward(model, torch.tensor([[token]], device=device), cache)
        else:
            logits = forward(model, torch.tensor([tokens[-block_size:]], device=device))


@torch.inference_mode()
def forward(
    model: GPT, tokens: Int[Tensor, "1 T"], cache: list[KVCache] | None = None
) -> Float[Tensor, "1 1 V"]:
    """Score the last position without autograd. This is a function of its own because inference
    mode inside a generator would leak to its caller."""
    return model(tokens, cache, only=-1)


def sample_token(logits: Float[Tensor, " V"], u: float, config: SampleConfig) -> int:
    """Draw a token: invert the CDF at the uniform number u in [0, 1).

    Always in float64, and with the CDF in the order of the ids, so that backends whose logits
    differ by rounding still choose the same token. Among equal probabilities, the lower id counts
    as more likely.
    """
    if config.temperature == 0:
        return int(logits.argmax())
    p = torch.softmax(logits.double() / config.temperature, dim=-1)
    ranked, order = torch.sort(p, descending=True, stable=True)  # most likely first
    if config.top_k is not None:
        ranked[config.top_k :] = 0
        ranked /= ranked.sum()
    if config.top_p is not None:
        before = ranked.cumsum(dim=-1) - ranked  # the total probability of all likelier tokens
        ranked[before >= config.top_p] = 0  # never the first: nothing is before it
    p = torch.empty_like(p).scatter_(0, order, ranked)
    cdf = p.cumsum(dim=-1)
    return int(torch.searchsorted(cdf, u * cdf[-1], side="right"))
