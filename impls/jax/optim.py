"""Clipping, AdamW and SGD, as chains of optax transformations, with every constant stated."""

import jax
import optax
from jaxtyping import Array, Float

from shared.config import TrainConfig


def build_optimizer(
    config: TrainConfig, learning_rate: float | Float[Array, ""]
) -> optax.GradientTransformation:
    """Clipping by the global norm, then the optimizer that `config` names.

    AdamW is Loshchilov & Hutter 2019, algorithm 2; only tensors of two or more dimensions decay.
    The chain is cheap to build and holds no arrays, so it is rebuilt inside each jitted step,
    with that step's learning rate: the schedule is ours, so that the three backends share it.
    """
    clip = optax.clip_by_global_norm(config.grad_clip) if config.grad_clip else optax.identity()
    if config.optimizer == "sgd":
        return optax.chain(clip, optax.sgd(learning_rate))
    return optax.chain(
        clip,
        optax.scale_by_adam(b1=config.beta1, b2=config.beta2, eps=config.epsilon, eps_root=0.0),
        optax.add_decayed_weights(config.weight_decay, mask=decays),
        optax.scale_by_learning_rate(learning_rate),
    )


def decays(params: optax.Params) -> optax.Params:
    """True for the tensors that weight decay applies to."""
    return jax.tree.map(lambda p: p.ndim >= 2, params)


def adam_state(optimizer_state: optax.OptState) -> optax.ScaleByAdamState | None:
    """The part of the chain's state that holds the moments; None for SGD."""
    for state in optimizer_state:
        if isinstance(state, optax.ScaleByAdamState):
            return state
    return None
