"""Clipping, AdamW and SGD, written out."""

import math

import numpy as np

from shared.config import TrainConfig
from .nn import Parameter

Parameters = dict[str, Parameter]


def clip_by_global_norm(parameters: Parameters, max_norm: float) -> float:
    """Scale all gradients by min(1, max_norm / norm), keeping the direction (Pascanu et al. 2013).

    Returns the norm over all gradients before clipping. A max_norm of 0 disables clipping.
    """
    grads = [parameter.grad for parameter in parameters.values()]
    # In pieces, added in float64: a float32 sum over millions of squares loses digits.
    pieces = [x for g in grads for x in np.array_split(g.ravel(), 1 + g.size // 2**16)]
    norm = math.sqrt(sum(float(np.vdot(x, x)) for x in pieces))
    if 0 < max_norm < norm:
        for grad in grads:
            grad *= max_norm / norm
    return norm


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).

    m ← β₁m + (1−β₁)g and v ← β₂v + (1−β₂)g², divided by 1−βᵗ because they start at zero; then
    w ← w − lr · (m̂ / (√v̂ + ε) + λw), where only tensors of two or more dimensions decay.
    """

    def __init__(self, parameters: Parameters, config: TrainConfig) -> None:
        self.parameters, self.config = parameters, config
        self.count = 0
        self.m = {name: np.zeros_like(p.value) for name, p in parameters.items()}
        self.v = {name: np.zeros_like(p.value) for name, p in parameters.items()}

    def step(self, learning_rate: float) -> None:
        """One update of every parameter from its gradient."""
        config = self.config
        self.count += 1
        correction_1 = 1 - config.beta1**self.count
        correction_2 = 1 - config.beta2**self.count
        for name, parameter in self.parameters.items():
            g, m, v = parameter.grad, self.m[name], self.v[name]
            m += (1 - config.beta1) * (g - m)
            v += (1 - config.beta2) * (g * g - v)
            update = np.sqrt(v / correction_2)
            update += config.epsilon
            np.divide(m / correction_1, update, out=update)
            if parameter.value.ndim >= 2:
                update += config.weight_decay * parameter.value
            parameter.value -= learning_rate * update

    def moments(self) -> dict[str, dict[str, np.ndarray]]:
        return {"m": self.m, "v": self.v}

    def load(self, moments: dict[str, dict[str, np.ndarray]], count: int) -> None:
        self.m, self.v, self.count = moments["m"], moments["v"], count


class SGD:
    """w ← w − lr · g, nothing else."""

    def __init__(self, parameters: Parameters, config: TrainConfig) -> None:
        self.parameters = parameters

    def step(self, learning_rate: float) -> None:
        """One update of every parameter from its gradient."""
        for parameter in self.parameters.values():
            parameter.value -= learning_rate * parameter.grad

    def moments(self) -> dict[str, dict[str, np.ndarray]]:
        return {}

    def load(self, moments: dict[str, dict[str, np.ndarray]], count: int) -> None:
        """SGD has no state."""


def build_optimizer(parameters: Parameters, config: TrainConfig) -> AdamW | SGD:
    """The optimizer that `config` names."""
    return (AdamW if config.optimizer == "adamw" else SGD)(parameters, config)
