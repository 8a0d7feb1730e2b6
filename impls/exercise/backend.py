"""The adapter: the exercise behind the protocol of shared/protocol.py. Nothing to write here.

Besides the protocol it has what the ladder looks at while the rest is unfinished: `trace_into` and
`grads_into` keep what was computed before something was missing; `logits_in_two` and
`generate_and_count` show whether the cache is right, and whether it is used.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from shared.config import GPTConfig, SampleConfig, TrainConfig
from shared.errors import ConfigError
from shared.protocol import (
    StepResult,
    TrainState,
    check_dtype,
    check_prompt,
    check_state,
    check_tokens,
    check_weights,
)
from shared.schedule import learning_rate
from shared.taps import collect
from .cache import empty_cache
from .generate import generate
from .model import GPT, cross_entropy
from .nn import Parameter, softmax
from .optim import build_optimizer
from .step import forward_backward, train_step
from .trace import recording

name = "exercise"


def build(
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> "ExerciseModel":
    """A model with a copy of `weights`. Raises `UserError` for what does not fit."""
    check_weights(config, weights)
    check_dtype(dtype)
    if device != "cpu":
        raise ConfigError(f"device is {device!r}; NumPy has only 'cpu'")
    gpt = GPT(config)
    gpt.astype(dtype)
    for key, parameter in canonical_parameters(gpt).items():
        parameter.value = np.array(weights[key], dtype=dtype)
    return ExerciseModel(gpt)


def canonical_parameters(gpt: GPT) -> dict[str, Parameter]:
    """The parameters by canonical name. Its own layout is the canonical one already."""
    return {
        "lm_head.weight" if path == "lm_head" else f"transformer.{path}": parameter
        for path, parameter in gpt.named_parameters()
    }


class ExerciseModel:
    """`shared.protocol.Model` for the exercise."""

    def __init__(self, gpt: GPT) -> None:
        self.gpt = gpt
        self.config = gpt.config
        self.parameters = canonical_parameters(gpt)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        check_tokens(self.config, tokens)
        return self.gpt(tokens)

    def trace(self, tokens: np.ndarray) -> dict[str, np.ndarray]:
        record: dict[str, np.ndarray] = {}
        self.trace_into(tokens, record)
        return {tap: value.copy() for tap, value in collect(self.config, record).items()}

    def trace_into(self, tokens: np.ndarray, record: dict[str, np.ndarray]) -> None:
        """The outputs of modules by name, in a record that keeps what was reached if one raises."""
        check_tokens(self.config, tokens)
        with recording(self.gpt, record):
            record["probs"] = softmax(self.gpt(tokens))

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        check_tokens(self.config, tokens, targets)
        return float(cross_entropy(self.gpt(tokens), targets))

    def loss_and_grads(
        self, tokens: np.ndarray, targets: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        check_tokens(self.config, tokens, targets)
        loss = forward_backward(self.gpt, tokens, targets)
        return loss, {key: parameter.grad for key, parameter in self.parameters.items()}

    def grads_into(
        self, tokens: np.ndarray, targets: np.ndarray, record: dict[str, np.ndarray]
    ) -> None:
        """The gradients, into a record that keeps what was reached if something is raised."""
        check_tokens(self.config, tokens, targets)
        try:
            forward_backward(self.gpt, tokens, targets)
        finally:
            for key, parameter in self.parameters.items():
                if parameter.grad is not None:
                    record[key] = parameter.grad

    def weights(self) -> dict[str, np.ndarray]:
        return {key: parameter.value.copy() for key, parameter in self.parameters.items()}

    def trainer(self, config: TrainConfig) -> "ExerciseTrainer":
        return ExerciseTrainer(self, config)

    def generate(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[int]:
        check_prompt(self.config, prompt)
        return generate(self.gpt, prompt.copy(), config)

    def logits_in_two(self, tokens: np.ndarray, cut: int) -> np.ndarray:
        """The logits of one row from `cut` on, what came before being in the cache only."""
        check_tokens(self.config, tokens)
        cache = empty_cache(self.config, self.gpt.wte.weight.value.dtype)
        self.gpt(tokens[:1, :cut], cache)
        return self.gpt(tokens[:1, cut:], cache)

    def generate_and_count(
        self, prompt: np.ndarray, config: SampleConfig
    ) -> tuple[list[int], list[int]]:
        """The text, and how many positions each call of the model computed for it."""
        counts: list[int] = []
        forward = self.gpt.forward

        def counting(tokens: np.ndarray, *rest: Any, **options: Any) -> np.ndarray:
            counts.append(tokens.shape[1])
            return forward(tokens, *rest, **options)

        self.gpt.forward = counting  # found before the method of the class
        try:
            return list(self.generate(prompt, config)), counts
        finally:
            del self.gpt.forward


class ExerciseTrainer:
    """`shared.protocol.Trainer` for the exercise."""

    def __init__(self, model: ExerciseModel, config: TrainConfig) -> None:
        self.model, self.config = model, config
        self.optimizer = build_optimizer(model.parameters, config)
        self.count = 0

    def step(self, tokens: np.ndarray, targets: np.ndarray) -> StepResult:
        check_tokens(self.model.config, tokens, targets)
        model, lr = self.model, learning_rate(self.config, self.count)
        loss, norm = train_step(
            model.gpt, self.optimizer, tokens, targets, lr, self.config.grad_clip
        )
        self.count += 1
        return StepResult(loss, norm, lr)

    def state(self) -> TrainState:
        moments = {
            key: {name: value.copy() for name, value in moment.items()}
            for key, moment in self.optimizer.moments().items()
        }
        return TrainState(self.count, self.model.weights(), moments)

    def load_state(self, state: TrainState) -> None:
        check_state(self.model.config, self.config, state)
        for key, parameter in self.model.parameters.items():
            parameter.value = np.array(state.weights[key], dtype=parameter.value.dtype, order="C")
        moments = {
            key: {
                name: np.array(value, dtype=self.model.parameters[name].value.dtype, order="C")
                for name, value in moment.items()
            }
            for key, moment in state.moments.items()
        }
        self.optimizer.load(moments, state.step)
        self.count = state.step
