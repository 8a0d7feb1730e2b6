"""A backend of the package `autograd`, which differentiates NumPy code: a fourth, independent of
the three frameworks. To judge it: nox -s conformance -- --backend tests.autograd_backend
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from autograd import value_and_grad

from conformance.truths.reference import draw
from shared import protocol
from shared.config import GPTConfig, SampleConfig, TrainConfig
from shared.errors import ConfigError
from shared.randomness import uniform
from shared.schedule import learning_rate
from shared.taps import Tap
from tests.autograd_model import Network, Tensors

name = "autograd"


def copied(tensors: Mapping[str, np.ndarray], dtype: str | None = None) -> Tensors:
    return {key: np.array(value, dtype=dtype, order="C") for key, value in tensors.items()}


class Model:
    """`shared.protocol.Model`. Trainers put other tensors in place of its own, and change none."""

    def __init__(self, config: GPTConfig, tensors: Tensors) -> None:
        self.config, self.tensors = config, tensors

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        protocol.check_tokens(self.config, tokens)
        return Network(self.tensors, self.config).logits(tokens)

    def trace(self, tokens: np.ndarray) -> Tensors:
        protocol.check_tokens(self.config, tokens)
        record: Tensors = {}
        Network(self.tensors, self.config).logits(tokens, Tap(record))
        return copied(record)

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        protocol.check_tokens(self.config, tokens, targets)
        return float(Network(self.tensors, self.config).loss(tokens, targets))

    def loss_and_grads(self, tokens: np.ndarray, targets: np.ndarray) -> tuple[float, Tensors]:
        protocol.check_tokens(self.config, tokens, targets)
        both = value_and_grad(lambda p: Network(p, self.config).loss(tokens, targets))
        loss, grads = both(self.tensors)
        return float(loss), copied(grads)

    def weights(self) -> Tensors:
        return copied(self.tensors)

    def trainer(self, config: TrainConfig) -> "Trainer":
        return Trainer(self, config)

    def generate(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[int]:
        return (token for token, _ in self.decode(prompt, config))

    def decode(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[tuple[int, np.ndarray]]:
        protocol.check_prompt(self.config, prompt)
        return self._decode(prompt.tolist(), config)

    def _decode(self, tokens: list[int], config: SampleConfig) -> Iterator[tuple[int, np.ndarray]]:
        """Without a cache; the weights are the model's at every step."""
        for _ in range(config.max_new_tokens):
            window = np.array([tokens[-self.config.block_size :]])
            logits = Network(self.tensors, self.config).logits(window)[0, -1]
            tokens.append(draw(logits, uniform(config.seed, len(tokens)), config))
            yield tokens[-1], logits


class Trainer:
    """`shared.protocol.Trainer`: clipping, AdamW and SGD."""

    def __init__(self, model: Model, config: TrainConfig) -> None:
        self.model, self.config, self.count = model, config, 0
        zeros = {key: np.zeros_like(value) for key, value in model.tensors.items()}
        self.moments = {c: copied(zeros) for c in "mv" if config.optimizer == "adamw"}

    def step(self, tokens: np.ndarray, targets: np.ndarray) -> protocol.StepResult:
        config, rate = self.config, learning_rate(self.config, self.count)
        loss, grads = self.model.loss_and_grads(tokens, targets)
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads.values()))
        scale = config.grad_clip / norm if 0 < config.grad_clip < norm else 1.0
        self.count += 1
        tensors = self.model.tensors.items()
        changes = {key: self.change(key, w, scale * grads[key]) for key, w in tensors}
        self.model.tensors = {key: w - rate * changes[key] for key, w in tensors}
        return protocol.StepResult(loss, norm, rate)

    def change(self, key: str, w: np.ndarray, g: np.ndarray) -> np.ndarray:
        """The gradient, or AdamW's corrected moments and decay."""
        if not self.moments:
            return g
        c, (m, v) = self.config, (self.moments["m"], self.moments["v"])
        m[key] = c.beta1 * m[key] + (1 - c.beta1) * g
        v[key] = c.beta2 * v[key] + (1 - c.beta2) * g * g
        root = np.sqrt(v[key] / (1 - c.beta2**self.count))
        update = m[key] / (1 - c.beta1**self.count) / (root + c.epsilon)
        return update + c.weight_decay * w if w.ndim >= 2 else update

    def state(self) -> protocol.TrainState:
        moments = {letter: copied(values) for letter, values in self.moments.items()}
        return protocol.TrainState(self.count, self.model.weights(), moments)

    def load_state(self, state: protocol.TrainState) -> None:
        protocol.check_state(self.model.config, self.config, state)
        dtype = self.model.tensors["transformer.wte.weight"].dtype.name
        self.moments = {letter: copied(state.moments[letter], dtype) for letter in self.moments}
        self.model.tensors, self.count = copied(state.weights, dtype), state.step


def build(
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> Model:
    protocol.check_weights(config, weights)
    protocol.check_dtype(dtype)
    if device != "cpu":
        raise ConfigError(f"device is {device!r}; autograd has only 'cpu'")
    return Model(config, copied(weights, dtype))
