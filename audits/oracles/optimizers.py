"""torch's and optax's optimizers, replaying recorded gradients.

Gradients are given as a list with one dictionary per step, by canonical name.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

from shared.config import TrainConfig

jax.config.update("jax_enable_x64", True)  # without it JAX silently turns float64 into float32

Tensors = dict[str, np.ndarray]
State = tuple[Tensors, dict[str, Tensors]]
"""Weights, and moments named by the paper's letters; no moments for SGD."""


def clipped(grads: Tensors, max_norm: float) -> tuple[Tensors, float]:
    """The gradients times min(1, max_norm / norm), and their global norm. 0 means no clipping.

    Written out from the definition (Pascanu et al. 2013): torch's function divides by norm + 1e-6.
    """
    norm = float(np.sqrt(sum(float((g * g).sum()) for g in grads.values())))
    scale = min(1.0, max_norm / norm) if max_norm else 1.0
    return {name: scale * g for name, g in grads.items()}, norm


def replay_torch(
    weights: Tensors, gradients: Sequence[Tensors], rates: Sequence[float], config: TrainConfig
) -> Iterator[State]:
    """The state after every step of torch.optim; decay for matrices only, by two groups."""
    parameters = {name: torch.nn.Parameter(torch.tensor(w)) for name, w in weights.items()}
    matrices = [p for p in parameters.values() if p.ndim >= 2]
    vectors = [p for p in parameters.values() if p.ndim < 2]
    optimizer: torch.optim.Optimizer
    if config.optimizer == "sgd":
        optimizer = torch.optim.SGD(matrices + vectors, lr=1.0, foreach=False)
    else:
        groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(
            groups,
            lr=1.0,
            weight_decay=config.weight_decay,
            betas=(config.beta1, config.beta2),
            eps=config.epsilon,
            foreach=False,  # the plain loop over the tensors, neither fused nor batched
        )
    slots = {"m": "exp_avg", "v": "exp_avg_sq"} if config.optimizer == "adamw" else {}
    for grads, rate in zip(gradients, rates, strict=True):
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(grads[name])
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        state = {name: optimizer.state[p] for name, p in parameters.items()}
        moments = {
            letter: {name: state[name][slot].numpy().copy() for name in state}
            for letter, slot in slots.items()
        }
        yield {name: p.detach().numpy().copy() for name, p in parameters.items()}, moments


def replay_optax(
    weights: Tensors, gradients: Sequence[Tensors], rates: Sequence[float], config: TrainConfig
) -> Iterator[State]:
    """The state after every step of optax; decay for matrices only, by a mask."""
    schedule = jnp.array(rates, dtype=jnp.float64).__getitem__
    if config.optimizer == "sgd":
        optimizer = optax.sgd(schedule)
    else:
        optimizer = optax.adamw(
            schedule,
            b1=config.beta1,
            b2=config.beta2,
            eps=config.epsilon,
            eps_root=0.0,
            weight_decay=config.weight_decay,
            mask={name: value.ndim >= 2 for name, value in weights.items()},
        )
    update: Callable = jax.jit(optimizer.update)
    params = {name: jnp.asarray(value) for name, value in weights.items()}
    state = optimizer.init(params)
    for grads in gradients:
        updates, state = update(grads, state, params)
        params = optax.apply_updates(params, updates)
        moments = {}
        if config.optimizer == "adamw":
            adam = state[0]
            moments = {"m": to_arrays(adam.mu, weights), "v": to_arrays(adam.nu, weights)}
        yield to_arrays(params, weights), moments


def to_arrays(tree: dict[str, jax.Array], names: Iterable[str]) -> Tensors:
    """In the order of `names`: jax sorts its dictionaries."""
    return {name: np.array(tree[name]) for name in names}
