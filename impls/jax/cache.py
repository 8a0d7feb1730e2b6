"""The keys and values of the past, which need not be computed again for the next token."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from shared.config import GPTConfig


@jax.tree_util.register_dataclass
@dataclass
class KVCache:
    """The keys and values of one block, for up to S positions.

    `extend` assigns new arrays to its own copy: a function under jax.jit gets its arguments as new
    objects, and hands the cache back (see `forward` in generate.py).
    """

    k: Float[Array, "1 H S D"]
    v: Float[Array, "1 H S D"]
    length: int | Int[Array, ""]  # positions that are filled

    def extend(
        self, k: Float[Array, "1 H T D"], v: Float[Array, "1 H T D"]
    ) -> tuple[Float[Array, "1 H S D"], Float[Array, "1 H S D"]]:
        """Add the keys and values of T more positions. Returns all places, so that the shape stays;
        the causal mask hides those that aren't filled."""
        k, v = k.astype(self.k.dtype), v.astype(self.v.dtype)  # bfloat16, in mixed precision
        self.k = lax.dynamic_update_slice_in_dim(self.k, k, self.length, axis=2)
        self.v = lax.dynamic_update_slice_in_dim(self.v, v, self.length, axis=2)
        self.length = self.length + k.shape[2]
        return self.k, self.v

    def widen(self, size: int) -> "KVCache":
        """With room for `size` positions; itself if it has that."""
        if size <= self.k.shape[2]:
            return self
        more = ((0, 0), (0, 0), (0, size - self.k.shape[2]), (0, 0))
        return KVCache(jnp.pad(self.k, more), jnp.pad(self.v, more), self.length)


def empty_cache(config: GPTConfig, size: int, dtype: jnp.dtype) -> list[KVCache]:
    """One for every block, with room for `size` positions."""
    shape = (1, config.n_head, size, config.head_size)
    return [
        KVCache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), 0) for _ in range(config.n_layer)
    ]
