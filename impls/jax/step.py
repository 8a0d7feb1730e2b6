"""One training step: loss and gradients, clip, update. A pure function, compiled as a whole."""

from functools import partial

import jax
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from shared.config import TrainConfig
from .model import cross_entropy
from .optim import build_optimizer


def loss_function(
    params: nnx.State,
    graphdef: nnx.GraphDef,
    tokens: Int[Array, "B T"],
    targets: Int[Array, "B T"],
) -> Float[Array, ""]:
    """The loss as a function of the weights, which is what JAX differentiates."""
    return cross_entropy(nnx.merge(graphdef, params)(tokens), targets)


@partial(
    jax.jit, static_argnames=("graphdef", "config"), donate_argnames=("params", "optimizer_state")
)
def train_step(
    graphdef: nnx.GraphDef,
    config: TrainConfig,
    params: nnx.State,
    optimizer_state: optax.OptState,
    tokens: Int[Array, "B T"],
    targets: Int[Array, "B T"],
    learning_rate: float | Float[Array, ""],
) -> tuple[nnx.State, optax.OptState, Float[Array, ""], Float[Array, ""]]:
    """One update. Returns new weights, new moments, the loss before the update, and the norm of the
    gradient before clipping.

    The old weights and moments are donated: the new ones take their place in memory. It takes a
    split module and uses jax.jit, because nnx.jit walks the module at each call.
    """
    loss, grads = jax.value_and_grad(loss_function)(params, graphdef, tokens, targets)
    optimizer = build_optimizer(config, learning_rate)
    updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
    return optax.apply_updates(params, updates), optimizer_state, loss, optax.tree.norm(grads)
