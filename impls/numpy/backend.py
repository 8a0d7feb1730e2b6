"""The adapter from the NumPy backend to the protocol in shared/protocol.py."""

from collections.abc import Iterator, Mapping

import numpy as np

from shared.allocator import keep_freed_memory
from shared.config import GPTConfig, SampleConfig, TrainConfig
from shared.dropout import dropout_masks
from shared.protocol import (
    StepResult,
    TrainState,
    check_device,
    check_dtype,
    check_prompt,
    check_state,
    check_tokens,
    check_weights,
)
from shared.schedule import learning_rate
from .generate import decode, generate
from .model import GPT, cross_entropy
from .nn import Parameter
from .optim import build_optimizer
from .road.attention_steps import attention_steps
from .road.bigram import Bigram as bigram
from .road.bigram import count_bigrams
from .runtime import parallel
from .runtime.trace import trace
from .step import forward_backward, train_step

__all__ = ["attention_steps", "bigram", "build", "count_bigrams", "name", "parallel"]

name = "numpy"


def build(
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> "NumpyModel":
    """Build a model with a copy of `weights`. Raises `UserError` for unusable arguments."""
    check_weights(config, weights)
    check_dtype(dtype)
    check_device(device)
    gpt = GPT(config)
    gpt.astype(dtype)
    for key, parameter in canonical_parameters(gpt).items():
        parameter.value[...] = weights[key]
    return NumpyModel(gpt)


def canonical_parameters(gpt: GPT) -> dict[str, Parameter]:
    """The parameters by canonical name. NumPy's layout is the canonical one."""
    return {
        "lm_head.weight" if path == "lm_head" else f"transformer.{path}": parameter
        for path, parameter in gpt.named_parameters()
    }


class NumpyModel:
    """`shared.protocol.Model` for the NumPy backend."""

    def __init__(self, gpt: GPT) -> None:
        self.gpt = gpt
        self.config = gpt.config
        self.parameters = canonical_parameters(gpt)

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        check_tokens(self.config, tokens)
        return self.gpt(tokens)

    def trace(self, tokens: np.ndarray) -> dict[str, np.ndarray]:
        check_tokens(self.config, tokens)
        taps = trace(self.gpt, tokens)
        return {tap: value.copy() for tap, value in taps.items()}  # some share memory

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        check_tokens(self.config, tokens, targets)
        return float(cross_entropy(self.gpt(tokens), targets))

    def loss_and_grads(
        self, tokens: np.ndarray, targets: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        check_tokens(self.config, tokens, targets)
        loss = forward_backward(self.gpt, tokens, targets)
        return loss, {key: parameter.grad for key, parameter in self.parameters.items()}

    def weights(self) -> dict[str, np.ndarray]:
        return {key: parameter.value.copy() for key, parameter in self.parameters.items()}

    def trainer(self, config: TrainConfig) -> "NumpyTrainer":
        return NumpyTrainer(self, config)

    def generate(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[int]:
        check_prompt(self.config, prompt)
        return generate(self.gpt, prompt.copy(), config)

    def decode(self, prompt: np.ndarray, config: SampleConfig) -> Iterator[tuple[int, np.ndarray]]:
        check_prompt(self.config, prompt)
        found = decode(self.gpt, prompt.copy(), config)
        return ((token, np.array(logits)) for token, logits in found)


class NumpyTrainer:
    """`shared.protocol.Trainer` for the NumPy backend."""

    def __init__(self, model: NumpyModel, config: TrainConfig) -> None:
        keep_freed_memory()
        self.model, self.config = model, config
        self.optimizer = build_optimizer(model.parameters, config)
        self.count = 0

    def step(self, tokens: np.ndarray, targets: np.ndarray) -> StepResult:
        check_tokens(self.model.config, tokens, targets)
        model, lr = self.model, learning_rate(self.config, self.count)
        clip, accumulate = self.config.grad_clip, self.config.accumulate
        masks = dropout_masks(model.config, self.config.seed, self.count, *tokens.shape)
        loss, norm = train_step(
            model.gpt, self.optimizer, tokens, targets, lr, clip, accumulate, masks
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
