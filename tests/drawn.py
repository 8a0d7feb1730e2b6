"""Models, weights and batches that nobody chose: strategies for hypothesis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from conformance.cases import Case, random_weights
from conformance.compare import relative_error
from shared.config import GPTConfig
from shared.protocol import Model, load_backend

LIMIT = 1e-10
SEEDS = st.integers(0, 10**6)

# The same examples in every run: a failure can be repeated, and none comes by chance. An object and
# not a named profile, which is one of the defaults only if somebody loads it.
WIDE = settings(deadline=None, derandomize=True, database=None, max_examples=80)


@st.composite
def configs(draw: st.DrawFn, **fixed: Any) -> GPTConfig:
    """Any small configuration there can be, with `fixed` fields.

    Epsilon is not tiny: in so few channels the variance can be next to nothing, and LayerNorm would
    make rounding large.
    """
    n_head, head_size = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    even = n_head * head_size % 2 == 0
    fields = {
        "vocab_size": draw(st.integers(2, 9)),
        "block_size": draw(st.integers(1, 7)),
        "n_layer": draw(st.integers(1, 3)),
        "n_head": n_head,
        "n_embd": n_head * head_size,
        "n_inner": draw(st.none() | st.integers(1, 9)),
        "activation": draw(st.sampled_from(["gelu_tanh", "gelu_erf", "relu"])),
        "norm": draw(st.sampled_from(["pre", "post"])),
        "position": draw(st.sampled_from(["learned", "sinusoidal"] if even else ["learned"])),
        "bias": draw(st.booleans()),
        "tie_weights": draw(st.booleans()),
        "layer_norm_epsilon": draw(st.sampled_from([0.01, 1.0])),
    }
    return GPTConfig(**fields | fixed)


@dataclass(frozen=True)
class Drawn:
    """A model's configuration and weights, and a batch for it."""

    config: GPTConfig
    weights: dict[str, np.ndarray]
    tokens: np.ndarray
    targets: np.ndarray

    def model(self, changed: Mapping[str, np.ndarray] | None = None, room: str = "numpy") -> Model:
        """The model in float64, with some of its weights `changed`."""
        weights = self.weights | dict(changed or {})
        return load_backend(room).build(self.config, weights, dtype="float64")


def fill(config: GPTConfig, seed: int, batch_size: int, length: int) -> Drawn:
    """Weights under which everything matters, and random tokens."""
    rng = np.random.default_rng(seed)
    tokens, targets = rng.integers(0, config.vocab_size, (2, batch_size, length))
    return Drawn(config, random_weights(Case("drawn", config), seed), tokens, targets)


@st.composite
def drawn(draw: st.DrawFn, **fixed: Any) -> Drawn:
    """A small model of any shape, with `fixed` fields in its configuration."""
    config = draw(configs(**fixed))
    length = draw(st.integers(1, config.block_size))
    return fill(config, draw(SEEDS), draw(st.integers(1, 4)), length)


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal but for rounding. False if either has a NaN."""
    return relative_error(a, b) <= LIMIT
