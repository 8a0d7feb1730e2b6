"""What nnx provides, adjusted: two things for speed, one for precision."""

from collections.abc import Mapping
from functools import partial
from typing import no_type_check

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float

Types = Mapping[str, jnp.dtype]
"""Two options of every nnx layer: `param_dtype`, the type of the weights, and `dtype`, which they
and the input are cast to."""


class Linear(nnx.Linear):
    """nnx.Linear on the rows of a matrix [B·T, I]: XLA's CPU backend multiplies two dimensions much
    faster than three, especially in the backward pass."""

    def __call__(self, x: Float[jax.Array, "B T I"]) -> Float[jax.Array, "B T O"]:
        return super().__call__(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)


@no_type_check  # the tests' checker does not accept what it inherits
class GraphDef(nnx.GraphDef):
    """Compared by identity when it is a static argument of jax.jit. nnx's own hashes the whole tree
    of modules at each call, which takes 0.25 ms, a quarter of the time of a token. There must be
    only one for each kind of model (see `abstract_model`), or jax.jit compiles again."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


LayerNorm = partial(nnx.LayerNorm, use_fast_variance=False)
"""nnx's default computes the variance as mean(x²) − mean(x)², which loses digits when the mean is
large."""
