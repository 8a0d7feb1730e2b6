"""The KV cache: the keys and values of past tokens, so that each is computed only once."""

from jaxtyping import Float
from torch import Tensor

from shared.config import GPTConfig


class KVCache:
    """The keys and values of one block, for up to block_size positions."""

    def __init__(self, config: GPTConfig, like: Tensor) -> None:
        shape = (1, config.n_head, config.block_size, config.head_size)
        self.k, self.v = like.new_zeros(shape), like.new_zeros(shape)
        self.length = 0  # positions filled so far

    def extend(
        self, k: Float[Tensor, "1 H T D"], v: Float[Tensor, "1 H T D"]
    ) -> tuple[Float[Tensor, "1 H S D"], Float[Tensor, "1 H S D"]]:
        """Append the keys and values of T more positions. Returns all so far."""
        start, self.length = self.length, self.length + k.shape[2]
        self.k[:, :, start : self.length] = k
        self.v[:, :, start : self.length] = v
        return self.k[:, :, : self.length], self.v[:, :, : self.length]


def empty_cache(config: GPTConfig, like: Tensor) -> list[KVCache]:
    """One empty cache per block, with the dtype and device of `like`."""
    return [KVCache(config, like) for _ in range(config.n_layer)]
