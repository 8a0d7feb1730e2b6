"""The adapter: this GPT behind the protocol of shared/protocol.py, as far as its gradients."""

from collections.abc import Mapping

import numpy as np

from lessons.tape.gpt import cross_entropy, gpt
from lessons.tape.tensor import Tensor
from shared.config import GPTConfig
from shared.protocol import check_device, check_dtype, check_tokens, check_weights

name = "tape"
dtypes = ("float64",)
Arrays = dict[str, np.ndarray]


def build(
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    dtype: str = "float64",
    device: str = "cpu",
) -> "TapeModel":
    """A model with a copy of `weights`. Raises `UserError` for what does not fit."""
    check_weights(config, weights)
    check_dtype(dtype, dtypes)
    check_device(device)
    return TapeModel(config, {key: np.array(value, dtype) for key, value in weights.items()})


class TapeModel:
    """`shared.protocol.Model`. Every call records anew, from the weights on."""

    def __init__(self, config: GPTConfig, arrays: Arrays) -> None:
        self.config, self.arrays = config, arrays

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        check_tokens(self.config, tokens)
        return gpt(self.config, {k: Tensor(v) for k, v in self.arrays.items()}, tokens).data

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        check_tokens(self.config, tokens, targets)
        weights = {key: Tensor(value) for key, value in self.arrays.items()}
        return float(cross_entropy(gpt(self.config, weights, tokens), targets).data[0])

    def loss_and_grads(self, tokens: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        check_tokens(self.config, tokens, targets)
        weights = {key: Tensor(value) for key, value in self.arrays.items()}
        loss = cross_entropy(gpt(self.config, weights, tokens), targets)
        loss.backward()
        return float(loss.data[0]), {key: weight.grad for key, weight in weights.items()}

    def weights(self) -> Arrays:
        return {key: value.copy() for key, value in self.arrays.items()}
