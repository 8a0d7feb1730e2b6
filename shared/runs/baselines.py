"""Losses to compare a training with: every picture of a run shows them."""

import math

import numpy as np
from jaxtyping import Integer

from shared.text.datasets import TokenData

MOST_TOKENS = 10_000_000  # counting the pairs of so many takes a second


def baselines(data: TokenData, vocab_size: int) -> dict[str, float]:
    """In nats per token: the loss of guessing, the bigram's and, if known, the best possible."""
    losses = {f"guessing: ln {vocab_size:,}": math.log(vocab_size)}
    if len(data.train) <= MOST_TOKENS:
        losses["bigram"] = bigram_loss(data.train, data.val, vocab_size)
    if data.floor is not None:
        losses["floor"] = data.floor
    return losses


def bigram_loss(
    train: Integer[np.ndarray, " N"], val: Integer[np.ndarray, " M"], vocab_size: int
) -> float:
    """The mean of −ln P(b | a) over the validation pairs, with P counted in the training text, each
    count plus one (Laplace). Only pairs that occur are kept: a table needs vocab_size² entries."""
    a, b = val[:-1].astype(np.int64), val[1:].astype(np.int64)
    first = train[:-1].astype(np.int64)  # the products below overflow smaller integers
    seen, counts = np.unique(first * vocab_size + train[1:], return_counts=True)
    pairs = a * vocab_size + b
    place = np.searchsorted(seen, pairs).clip(max=len(seen) - 1)
    together = np.where(seen[place] == pairs, counts[place], 0)  # how often b followed a
    followed = np.bincount(first, minlength=vocab_size)[a]
    return float(np.mean(np.log(followed + vocab_size) - np.log(together + 1)))
