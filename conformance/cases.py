"""The configurations, weights and batches on which backends are compared.

Every chapter uses the cases of `CASES`. Together they cover every option of GPTConfig,
and all their sizes differ (B 3, T 11, H 4, D 6, C 24, F 40, V 37), so that no two axes can be
confused unnoticed. `DESIGN` is a covering design: every pair of options, sizes and optimizers meets
in one of its rows. `SIZES` covers large and coinciding sizes, `REAL` the sizes of real models.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shared import randomness
from shared.config import GPTConfig, load_preset, preset_names
from shared.layout import tensor_shapes

BASE = GPTConfig(vocab_size=37, block_size=11, n_layer=2, n_head=4, n_embd=24, n_inner=40)
BATCH_SIZE = 3
BOTH = ("float64", "float32")

base_seed = 0
"""Set by `--seed`, to judge on other weights and batches than the usual ones."""


@dataclass(frozen=True)
class Case:
    """A named configuration, and the inputs that it is run on."""

    name: str
    config: GPTConfig
    dtypes: tuple[str, ...] = ("float64",)
    large: float = 0.0
    """1: attention scores and logits beyond 709, whose exp overflows even in float64."""
    offset: float = 0.0
    """Added to the token embeddings: a mean that is much larger than the deviations from it."""
    condition: float = 1.0
    """The factor by which the case magnifies rounding, such as a mean that large."""
    batch_size: int = BATCH_SIZE
    length: int | None = None
    """Tokens per row, T. None: block_size."""
    optimizer: str = "adamw"


CASES = [
    # GPT-2's block: pre-norm, tanh GELU, biases everywhere, lm_head tied to wte.
    Case("gpt2", replace(BASE, tie_weights=True), dtypes=BOTH),
    # nanoGPT's: the same without biases.
    Case("nanogpt", replace(BASE, tie_weights=True, bias=False, n_inner=None)),
    # The original Transformer's decoder half: post-norm, ReLU, sinusoidal positions.
    Case(
        "original",
        replace(BASE, norm="post", activation="relu", position="sinusoidal"),
        dtypes=BOTH,
    ),
    # The other options: erf GELU, an epsilon large enough to matter, a single head, three blocks.
    Case(
        "erf",
        replace(BASE, activation="gelu_erf", layer_norm_epsilon=0.1, n_head=1, n_layer=3),
        dtypes=BOTH,
    ),
    Case(
        "post-erf",
        replace(BASE, norm="post", activation="gelu_erf", bias=False, tie_weights=True),
    ),
    # Scores and logits in the thousands: exp of them overflows unless the maximum is subtracted.
    # Not in float32, where such numbers round too coarsely to be judged.
    Case("large", replace(BASE, activation="relu"), large=1.0),
]

SHAPES = [*((B, T) for B in (1, 3, 12) for T in (1, 5, 11)), (33, 5)]
"""Batch sizes 1, 3 and 12 (the training default) with one token, part of the window and all of it,
and one larger batch."""

OPTIONS = (
    *("norm", "position", "tie_weights", "bias", "activation"),
    *("n_head", "n_layer", "layer_norm_epsilon", "n_inner"),
)
# These, batch size, length and optimizer. A test requires that every pair of values meets.
COVERING: list[tuple[Any, ...]] = [
    ("pre", "learned", False, False, "gelu_erf", 2, 1, 1e-05, None, 3, 5, "sgd"),
    ("pre", "sinusoidal", True, False, "gelu_erf", 8, 1, 0.1, None, 12, 11, "adamw"),
    ("post", "learned", True, True, "relu", 2, 1, 0.1, 7, 1, 1, "sgd"),
    ("post", "learned", True, False, "gelu_erf", 8, 2, 1e-05, 7, 1, 1, "sgd"),
    ("pre", "sinusoidal", True, True, "gelu_tanh", 8, 2, 1e-05, None, 3, 1, "adamw"),
    ("pre", "sinusoidal", False, True, "gelu_erf", 1, 1, 1e-05, 7, 12, 1, "adamw"),
    ("post", "sinusoidal", False, False, "relu", 1, 2, 0.1, 7, 3, 11, "sgd"),
    ("pre", "sinusoidal", False, True, "relu", 2, 1, 1e-05, None, 1, 11, "adamw"),
    ("post", "learned", False, False, "gelu_tanh", 2, 2, 1e-05, 7, 12, 11, "sgd"),
    ("pre", "sinusoidal", False, True, "relu", 8, 2, 0.1, 7, 12, 5, "adamw"),
    ("post", "learned", True, True, "gelu_tanh", 1, 1, 0.1, None, 1, 5, "adamw"),
]


def design(number: int, row: tuple[Any, ...]) -> Case:
    """The case of a row of the covering design."""
    *options, B, T, optimizer = row
    config = replace(BASE, **dict(zip(OPTIONS, options, strict=True)))
    return Case(f"design-{number}", config, batch_size=B, length=T, optimizer=optimizer)


DESIGN = [design(number, row) for number, row in enumerate(COVERING, start=1)]

LONG = Case(
    "long",
    replace(
        BASE, vocab_size=300, block_size=140, n_embd=36, n_head=3, n_inner=50, tie_weights=True
    ),
    dtypes=BOTH,
    batch_size=2,
)
"""More tokens than a small tile and more ids than a byte: T 140, V 300."""
DEEP = Case("deep", replace(BASE, n_layer=6, n_head=12, bias=False), batch_size=2)
"""More blocks and heads than the rest, and heads of two channels: L 6, H 12, D 2."""

ONE_BLOCK = replace(BASE, n_layer=1)
MANY_IDS = Case(
    "many ids",
    GPTConfig(70_000, block_size=4, n_layer=1, n_head=1, n_embd=6, n_inner=6),
    batch_size=12,
)
"""A vocabulary too large for 16-bit ids."""
SQUARE = Case(
    "square", GPTConfig(8, block_size=8, n_layer=1, n_head=2, n_embd=8, n_inner=8), batch_size=8
)
"""V = C = F = T = B, so a backend that identifies axes by their lengths mixes them up."""
SIZES = [LONG, DEEP, MANY_IDS, SQUARE]
"""Sizes unlike the usual ones, which are small and all different."""

TEETH = [
    # These lose digits only in a bad algorithm: E[x²] − E[x]² for the variance, …
    Case("mean of 100", ONE_BLOCK, dtypes=BOTH, offset=100.0, condition=333),
    # … scores of a hundred, whose exp is beyond float32 unless the largest is subtracted, …
    Case(
        "scores of 100", replace(ONE_BLOCK, activation="relu"), dtypes=BOTH, large=0.1, condition=20
    ),
    # … sines of angles in the hundreds, which float32 holds to four decimals, …
    Case(
        "late positions",
        replace(ONE_BLOCK, n_embd=64, position="sinusoidal", block_size=512),
        dtypes=BOTH,
        batch_size=1,
    ),
    # … and sums of many small numbers in one accumulator.
    Case("long sums", replace(ONE_BLOCK, n_embd=384, n_head=2), dtypes=BOTH, batch_size=24),
]
"""For float32: cases that show which algorithm was chosen."""

FAR = Case("scores of -20,000", replace(BASE, activation="relu"), large=20.0)
"""Scores so far below 0 that a mask of −10,000 would be the largest of them."""

DROPPING = [
    Case("dropout", replace(BASE, tie_weights=True, dropout=0.3), dtypes=BOTH),
    Case(
        "post dropout",
        replace(BASE, norm="post", activation="relu", position="sinusoidal", dropout=0.3),
    ),
]
"""GPT-2's block and the original Transformer's, with dropout in training."""

REAL = [
    Case(
        "GPT-2's width",
        GPTConfig(50257, block_size=32, n_layer=1, n_head=12, n_embd=768, tie_weights=True),
        dtypes=("float32",),
        batch_size=2,
    ),
    Case(
        "GPT-2's window",
        GPTConfig(96, block_size=1024, n_layer=1, n_head=4, n_embd=32),
        dtypes=BOTH,
        batch_size=1,
    ),
    Case(
        "a wide head",
        GPTConfig(300, block_size=48, n_layer=1, n_head=1, n_embd=256, norm="post"),
        dtypes=BOTH,
    ),
    Case(
        "eight blocks",
        GPTConfig(300, block_size=48, n_layer=8, n_head=8, n_embd=64, position="sinusoidal"),
        dtypes=BOTH,
    ),
]
"""Real sizes, for `--large`."""


OF_BASE = {
    name: getattr(BASE, name)
    for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd", "n_inner")
}
PRESETS = [
    Case(f"preset {name}", GPTConfig(**load_preset(name).model | OF_BASE))
    for name in preset_names()
]
"""The architecture of every preset, in the usual sizes: JAX has compiled those already."""


def find_case(name: str) -> Case:
    """The case of that name. Raises `KeyError` if there is none."""
    every = [*CASES, *DESIGN, *SIZES, *TEETH, FAR, *DROPPING, *REAL, *PRESETS]
    return {case.name: case for case in every}[name]


def random_weights(case: Case, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights in float64 under which every part of the model matters.

    GPT-2's initial values hide bugs: with biases 0, gains 1 and scores near 0, a forgotten bias or
    swapped q and k change nothing. Here gains are 1 ± 0.3, biases and embeddings ± 0.3, and the
    matrices of the blocks keep the variance of their inputs.
    """
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
            value[C : 2 * C] *= 1500 * case.large  # of the keys: shifts all scores of a row alike
        if case.large and name == "lm_head.weight":
            value *= 500 * case.large
        if name == "transformer.wte.weight":
            value += case.offset
        weights[name] = value
    return weights


def rounded(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights as a float32 model holds them, in float64, to judge its results."""
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
