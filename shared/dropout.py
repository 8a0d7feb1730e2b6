"""Which values dropout sets to zero (Srivastava et al. 2014), at the four sites of GPT-2.

Each framework has its own random generator. These masks are the same for every backend, so that
training with dropout can be compared, and a pure function of seed and step, so that a resumed run
continues exactly.
"""

from math import prod

import numpy as np
from jaxtyping import Bool

from shared.config import GPTConfig
from shared.randomness import DROPOUT, generator

RESOLUTION = 1 << 16
"""16 random bits decide about each value, so the probability is a multiple of 1 / 65,536."""


def keep_share(dropout: float) -> float:
    """The share of the values kept on average; the kept values are divided by it."""
    return 1 - _dropped(dropout) / RESOLUTION


def dropout_masks(
    config: GPTConfig, seed: int, step: int, batch_size: int, length: int
) -> dict[str, Bool[np.ndarray, "..."]]:
    """What to keep at every site in one training step, by the name of the site's module.

    The first axis is the batch. Without dropout there are no masks.
    """
    if not (dropped := _dropped(config.dropout)):
        return {}
    B, T, C, H = batch_size, length, config.n_embd, config.n_head
    sites: dict[str, tuple[int, ...]] = {"drop": (B, T, C)}  # embeddings
    for i in range(config.n_layer):
        sites[f"h.{i}.attn.attn_dropout"] = (B, H, T, T)  # attention weights
        sites[f"h.{i}.attn.resid_dropout"] = (B, T, C)  # what is added to the residual stream
        sites[f"h.{i}.mlp.dropout"] = (B, T, C)
    masks = {}
    for number, (name, shape) in enumerate(sites.items()):
        bits = generator(seed, DROPOUT, step, number).bit_generator
        words = bits.random_raw(-(-prod(shape) // 4)).astype("<u8", copy=False)
        masks[name] = words.view("<u2")[: prod(shape)].reshape(shape) >= dropped
    return masks


def _dropped(dropout: float) -> int:
    """How many of the `RESOLUTION` 16-bit values mean zero: never all of them."""
    return min(round(dropout * RESOLUTION), RESOLUTION - 1)
