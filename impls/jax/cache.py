"""The KV cache: the keys and values of past tokens, so that each is computed only once."""

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

    Under jax.jit a function receives a fresh object, so `extend` may assign to it; the function
    then returns the cache (see `forward` in generate.py).
    """

    k: Float[Array, "1 H S D"]
    v: Float[Array, "1 H S D"]
    length: int | Int[Array, ""]  # positions filled so far

    def extend(
        self, k: Float[Array, "1 H T D"], v: Float[Array, "1 H T D"]
    ) -> tuple[Float[Array, "1 H S D"], Float[Array, "1 H S D"]]:
        """Append the keys and values of T more positions. Returns all S slots, so that the shape is
        fixed; the causal mask hides the empty ones."""
        k, v = k.astype(self.k.dtype), v.astype(self.v.dtype)  # bfloat16, in mixed precision
        self.k = lax.dynamic_update_slice_in_dim(self.k, k, self.length, axis=2)
        self.v = lax.dynamic_update_slice_in_dim(self.v, v, self.length, axis=2)
        self.length = self.length + k.shape[2]
        return self.k, self.v

    def widen(self, size: int) -> "KVCache":
        """A cache with room for `size` positions; this one if it is large enough."""
        if size <= self.k.shape[2]:
            return self
        more = ((0, 0), (0, 0), (0, size - self.k.shape[2]), (0, 0))
        return KVCache(jnp.pad(self.k, more), jnp.pad(self.v, more), self.length)


def empty_cache(config: GPTConfig, size: int, dtype: jnp.dtype) -> list[KVCache]:
    """One empty cache per block, with room for `size` positions."""
    shape = (1, config.n_head, size, config.head_size)
    return [
        KVCache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), 0) for _ in range(config.n_layer)
    ]
