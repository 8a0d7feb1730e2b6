"""The KV cache: the keys and values of past tokens, so that each is computed only once."""

import numpy as np
from jaxtyping import Float

from shared.config import GPTConfig


class KVCache:
    """The keys and values of one block, for up to block_size positions."""

    def __init__(self, config: GPTConfig, dtype: np.dtype) -> None:
        shape = (1, config.n_head, config.block_size, config.head_size)
        self.k, self.v = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self.length = 0  # positions filled so far

    def extend(
        self, k: Float[np.ndarray, "1 H T D"], v: Float[np.ndarray, "1 H T D"]
    ) -> tuple[Float[np.ndarray, "1 H S D"], Float[np.ndarray, "1 H S D"]]:
        """Append the keys and values of T more positions. Returns all so far."""
        start, self.length = self.length, self.length + k.shape[2]
        self.k[:, :, start : self.length] = k
        self.v[:, :, start : self.length] = v
        return self.k[:, :, : self.length], self.v[:, :, : self.length]


def empty_cache(config: GPTConfig, dtype: np.dtype) -> list[KVCache]:
    """One empty cache per block."""
    return [KVCache(config, dtype) for _ in range(config.n_layer)]
