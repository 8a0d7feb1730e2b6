"""Models whose weights are given by a formula, and their results in outside programs.

The digits, in digits.toml, come from float64 arithmetic in programs that share no line with the
backends:

- "gpt2", "erf": GPT2LMHeadModel of Hugging Face's transformers 5.23.0 (torch 2.13.0), through a
  checkpoint and the functions of audits/oracles/hugging_face.py.
- "original": torch.nn.TransformerEncoderLayer of torch 2.13.0, as assembled in
  audits/oracles/torch_layers.py.

`audits/oracles/test_known_models.py` recomputes them. The configurations are those of
conformance/cases.py, for which JAX has already compiled.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conformance.cases import find_case
from shared.config import GPTConfig
from shared.layout import tensor_shapes

COUNT = np.arange(33, dtype=np.int64).reshape(3, 11)
TOKENS, TARGETS = COUNT**2 % 37, (3 * COUNT + 1) % 37


@dataclass(frozen=True)
class Known:
    """A configuration, and the results of an outside program with `formula_weights`."""

    config: GPTConfig
    source: str
    loss: float
    """Of TOKENS and TARGETS."""
    logits: list[float]
    """Of TOKENS: the first five at the last position of the last row."""
    slope: float
    """The derivative of the loss in a direction: the sum of all gradients, each with a factor."""


DIGITS = tomllib.loads(Path(__file__).with_name("digits.toml").read_text(encoding="utf-8"))
"""All digits that tests compare with."""
KNOWN = {name: Known(find_case(name).config, **digits) for name, digits in DIGITS["models"].items()}


def formula_weights(config: GPTConfig) -> dict[str, np.ndarray]:
    """sin(1), sin(4), sin(9), … over all tensors in the order of the manifest. (sin(1), sin(2), …
    would give every matrix rank 2.) A gain is 1 plus half of that, and a matrix of a block is
    divided by √(inputs), so that no softmax puts all its weight on one key."""
    weights = over_all_entries(config, np.sin)
    for name, value in weights.items():
        if value.ndim == 1 and name.endswith(".weight"):
            value[:] = 1 + value / 2
        elif value.ndim == 2 and ".h." in name:
            value /= np.sqrt(len(value))
    return weights


def slope(config: GPTConfig, grads: Mapping[str, np.ndarray]) -> float:
    """The derivative along cos(1), cos(4), cos(9), … over all tensors, as in `formula_weights`."""
    along = over_all_entries(config, np.cos)
    return sum(float((grads[name] * along[name]).sum()) for name in along)


def over_all_entries(config: GPTConfig, function: np.ufunc) -> dict[str, np.ndarray]:
    """A function of 1, 4, 9, … in the shapes of the model's tensors."""
    tensors, first = {}, 1
    for name, shape in tensor_shapes(config).items():
        after = first + int(np.prod(shape))
        tensors[name] = function(np.arange(first, after, dtype=np.float64) ** 2).reshape(shape)
        first = after
    return tensors
