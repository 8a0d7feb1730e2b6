"""One training step: loss and gradients, clip, update. A pure function, compiled as a whole."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from shared.config import TrainConfig
from .dropout import NO_MASKS, Masks, drop
from .model import cross_entropy
from .optim import build_optimizer
from .runtime.parallel import add_up, spread


def loss_function(
    params: nnx.State,
    graphdef: nnx.GraphDef,
    tokens: Int[Array, "B T"],
    targets: Int[Array, "B T"],
    masks: Masks = NO_MASKS,
) -> Float[Array, ""]:
    """The loss as a function of the weights, which is what JAX differentiates."""
    gpt = nnx.merge(graphdef, params)
    tokens, targets, masks = spread(tokens, targets, masks)
    drop(gpt, masks)
    logits = gpt(tokens)
    wide = jnp.promote_types(logits.dtype, jnp.float32)  # optax would sum in bfloat16
    return cross_entropy(logits.astype(wide), targets)


def loss_and_grads(
    params: nnx.State,
    graphdef: nnx.GraphDef,
    tokens: Int[Array, "B T"],
    targets: Int[Array, "B T"],
    accumulate: int = 1,
    masks: Masks = NO_MASKS,
) -> tuple[Float[Array, ""], nnx.State]:
    """The loss, and its gradient with respect to every weight.

    The batch is split into `accumulate` micro-batches. Their gradients add up to that of the whole
    batch if each is weighted by its share of the rows. `masks`: what dropout keeps.
    """
    function = jax.value_and_grad(loss_function)
    if accumulate == 1:
        return function(params, graphdef, tokens, targets, masks)

    def add(total: tuple, part: tuple) -> tuple[tuple, None]:
        share = len(part[0]) / len(tokens)
        found = function(params, graphdef, *part)
        return jax.tree.map(lambda so_far, x: so_far + share * x, total, found), None

    zeros = optax.tree.zeros_like(params)
    total = jnp.zeros((), jax.tree.leaves(zeros)[0].dtype), zeros
    size, longer = divmod(len(tokens), accumulate)  # the first ones have one row more
    cut = longer * (size + 1)
    for rows, B in (slice(cut), size + 1), (slice(cut, None), size):
        if len(tokens[rows]):  # jax.lax.scan compiles the body of the loop once
            batch = tokens[rows], targets[rows], {name: mask[rows] for name, mask in masks.items()}
            parts = jax.tree.map(lambda x, B=B: x.reshape(-1, B, *x.shape[1:]), batch)
            total, _ = jax.lax.scan(add, total, parts)
    return total


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
    masks: Masks,
) -> tuple[nnx.State, optax.OptState, Float[Array, ""], Float[Array, ""]]:
    """One update. Returns new weights, new moments, the loss before the update, and the norm of the
    gradient before clipping.

    The old weights and moments are donated: the new ones take their place in memory. The module is
    split for jax.jit, because nnx.jit would walk it at each call.
    """
    loss, grads = loss_and_grads(params, graphdef, tokens, targets, config.accumulate, masks)
    loss, grads = add_up(loss, grads)
    optimizer = build_optimizer(config, learning_rate)
    updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
    return optax.apply_updates(params, updates), optimizer_state, loss, optax.tree.norm(grads)
