"""Clipping, AdamW and SGD. SGD is given, to show what an optimizer looks like."""

import math

import numpy as np

from shared.config import TrainConfig
from .nn import Parameter, todo

Parameters = dict[str, Parameter]


def clip_by_global_norm(parameters: Parameters, max_norm: float) -> float:
    """Scale all gradients by min(1, max_norm / norm): the direction stays (Pascanu et al. 2013).

    norm = √(Σ g²) over all gradients of all parameters together. Returns the norm before clipping.
    A max_norm of 0 switches clipping off.
    """
    return todo("the norm; change every parameter.grad if it is above max_norm")


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
        """One update of every parameter from its gradient.

        In `self.config`: beta1, beta2, epsilon, weight_decay. The first update has t = 1.
        """
        self.count += 1
        for name, parameter in self.parameters.items():
            todo("change self.m[name], self.v[name] and parameter.value by parameter.grad")

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
        """SGD remembers nothing."""


def build_optimizer(parameters: Parameters, config: TrainConfig) -> AdamW | SGD:
    """The optimizer that `config` names."""
    return (AdamW if config.optimizer == "adamw" else SGD)(parameters, config)
