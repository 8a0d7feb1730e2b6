"""The configurations (cases.toml), weights and batches on which backends are compared.

Every chapter uses the cases of `CASES`. Together they cover every option of GPTConfig,
and all their sizes differ (B 3, T 11, H 4, D 6, C 24, F 40, V 37), so that no two axes can be
confused unnoticed. `DESIGN` is a covering design: every pair of options, sizes and optimizers meets
in one of its rows, and every three of norm, positions, tied weights, biases and activation. `SIZES`
covers large and coinciding sizes, `REAL` the sizes of real models.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from shared import randomness
from shared.config import GPTConfig, load_preset, preset_names
from shared.layout import tensor_shapes

BASE = GPTConfig(vocab_size=37, block_size=11, n_layer=2, n_head=4, n_embd=24, n_inner=40)
BATCH_SIZE = 3
BOTH = ("float64", "float32")

base_seed = 0
"""Set by `--seed`, to judge on weights and batches other than the usual ones."""


@dataclass(frozen=True)
class Case:
    """A named configuration, and the inputs that it is run on."""

    name: str
    config: GPTConfig
    dtypes: tuple[str, ...] = ("float64",)
    large: float = 0.0
    """1: attention scores and logits beyond 709, whose exp overflows even in float64, and inputs of
    the nonlinearity up to 30."""
    offset: float = 0.0
    """Added to the token embeddings, so that their mean far exceeds the deviations from it."""
    condition: float = 1.0
    """The factor by which the case magnifies rounding, as a large mean does."""
    batch_size: int = BATCH_SIZE
    length: int | None = None
    """Tokens per row, T. None: block_size."""
    optimizer: str = "adamw"


SHAPES = [*((B, T) for B in (1, 3, 12) for T in (1, 5, 11)), (33, 5)]
"""Batch sizes 1, 3 and 12 with one token, part of the window and all of it; and a larger batch."""


def of_base(changes: dict[str, Any]) -> GPTConfig:
    """BASE with these changes, in the notation of cases.toml."""
    given: dict[str, Any] = {k: None if x == "none" else x for k, x in changes.items()}
    return replace(BASE, **given)


def read_case(name: str, config: dict[str, Any], dtypes: Iterable[str] = (), **fields: Any) -> Case:
    return Case(name, of_base(config), dtypes=tuple(dtypes) or Case.dtypes, **fields)


TABLE = tomllib.loads(Path(__file__).with_name("cases.toml").read_text(encoding="utf-8"))
OPTIONS, COVERING = TABLE["covering"]["options"], TABLE.pop("covering")["rows"]
CASES, SIZES, TEETH, (FAR,), DROPPING, REAL = (
    [read_case(name, **case) for name, case in group.items()] for group in TABLE.values()
)
LONG, LONGER = SIZES[:2]


def design(number: int, row: list[Any]) -> Case:
    *options, B, T, optimizer = row
    config = of_base(dict(zip(OPTIONS, options, strict=False)))  # without the last three
    return Case(f"design-{number}", config, batch_size=B, length=T, optimizer=optimizer)


DESIGN = [design(number, row) for number, row in enumerate(COVERING, start=1)]

NAMES_OF_SIZES = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd", "n_inner")
OF_BASE = {name: getattr(BASE, name) for name in NAMES_OF_SIZES}
PRESETS = [Case(f"preset {n}", GPTConfig(**load_preset(n).model | OF_BASE)) for n in preset_names()]
"""The architecture of every preset, in the usual sizes, for which JAX has already compiled."""


def find_case(name: str) -> Case:
    """Find a case by name. Raises `KeyError` if there is none."""
    every = [*CASES, *DESIGN, *SIZES, *TEETH, FAR, *DROPPING, *REAL, *PRESETS]
    return {case.name: case for case in every}[name]


def random_weights(case: Case, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights in float64 under which every part of the model matters.

    GPT-2's initial values hide bugs: with biases 0, gains 1 and scores near 0, a forgotten bias or
    swapped q and k change nothing. Here gains are 1 ± 0.3, biases and embeddings ± 0.3, and the
    matrices of the blocks keep the variance of their inputs."""
    rng = randomness.generator(1000 * base_seed + seed, randomness.WEIGHTS)
    weights = {}
    for name, shape in tensor_shapes(case.config).items():
        value = rng.standard_normal(shape)
        if len(shape) == 2 and name.startswith("transformer.h."):
            value /= np.sqrt(shape[0])
        else:
            value *= 0.3
        if len(shape) == 1 and name.endswith(".weight"):
            value += 1
        if case.large and name.endswith("c_attn.bias"):
            C = case.config.n_embd
            value[C : 2 * C] *= 1500 * case.large  # key biases shift all scores of a row alike
        if case.large and name.endswith("c_fc.bias"):
            value *= 30 * case.large
        if case.large and name == "lm_head.weight":
            value *= 500 * case.large
        if name == "transformer.wte.weight":
            value += case.offset
        weights[name] = value
    return weights


def rounded(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Round weights to float32, as the model holds them; returns float64, to judge its results."""
    return {key: value.astype(np.float32).astype(np.float64) for key, value in weights.items()}


def random_batch(
    config: GPTConfig, seed: int = 0, batch_size: int = BATCH_SIZE, length: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and targets [B, T]; some ids repeat in a row, so their gradients must be summed."""
    rng = randomness.generator(1000 * base_seed + seed, randomness.BATCHES)
    shape = (batch_size, length or config.block_size)
    tokens, targets = (rng.integers(0, config.vocab_size, shape) for _ in range(2))
    if shape[1] > 2:
        tokens[:, 1] = tokens[:, -1] = tokens[:, 0]
    return tokens, targets


def batch_of(case: Case, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and targets in the shape of the case."""
    return random_batch(case.config, seed, case.batch_size, case.length)
