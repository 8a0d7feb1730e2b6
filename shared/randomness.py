"""Random numbers that depend on nothing but a seed and a position.

A counter-based generator (Philox; Salmon et al. 2011) gives the n-th number without computing the
n-1 before it. So batches can be a pure function of (seed, step) and samples of (seed, position): a
resumed run continues exactly, and the three backends see the same batches and write the same text.
"""

import numpy as np

# One stream per use, so that the same seed gives unrelated batches, weights and samples.
WEIGHTS, BATCHES, SAMPLES, PLAYLETS, DROPOUT = range(5)


def generator(seed: int, stream: int, position: int = 0, part: int = 0) -> np.random.Generator:
    """A NumPy generator that is a pure function of its arguments.

    Args:
        seed: chosen by the user, 0 ≤ seed < 2^63.
        stream: one of the constants of this module.
        position: a step or a token's position, 0 ≤ position < 2^63.
        part: which of several draws at this position, 0 ≤ part < 2^63.
    """
    # Philox counts in its first 64-bit word; ours are the last two, so neighbours never overlap.
    counter = np.array([0, 0, position, part], dtype=np.uint64)
    key = np.array([seed, stream], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def uniform(seed: int, position: int) -> float:
    """The number in [0, 1) with which the token at `position` of a sample is drawn."""
    return float(generator(seed, SAMPLES, position).random())
