"""The configurations, weights and batches on which backends are compared.

Together the cases touch every option of GPTConfig. All sizes differ (B 3, T 11, H 4, D 6, C 24, F
40, V 37), so that no two axes can be confused without notice.
"""

from dataclasses import dataclass, replace

import numpy as np

from shared import randomness
from shared.config import GPTConfig
from shared.weights import tensor_shapes

BASE = GPTConfig(vocab_size=37, block_size=11, n_layer=2, n_head=4, n_embd=24, n_inner=40)
BATCH_SIZE = 3
BOTH = ("float64", "float32")

base_seed = 0
"""Set by `--seed`, to judge on other weights and batches than the usual ones."""


@dataclass(frozen=True)
class Case:
    """A configuration under a name, and the precisions it is run in."""

    name: str
    config: GPTConfig
    dtypes: tuple[str, ...] = ("float64",)
    large: bool = False
    """Attention scores and logits beyond 709, whose exp overflows even in float64."""


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
    # What is left: erf GELU, an epsilon large enough to be seen, a single head, three blocks.
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
    # Not in float32, where the rounding of such numbers is too large to judge anything by.
    Case("large", replace(BASE, activation="relu"), large=True),
]


def random_weights(case: Case, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights in float64 under which every part of the model matters.

    GPT-2's initial values hide bugs: with biases 0, gains 1 and scores near 0, a forgotten bias or
    swapped q and k change nothing. Here gains are 1 ± 0.3, biases and embeddings ± 0.3, and the
    matrices of the blocks keep the variance of what passes through them.
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
            value[C : 2 * C] *= 1500  # of the keys: shifts all scores of a row alike
        if case.large and name == "lm_head.weight":
            value *= 500
        weights[name] = value
    return weights


def random_batch(
    config: GPTConfig, seed: int = 0, batch_size: int = BATCH_SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and targets [B, T]; some ids repeat in a row, so their gradients must be summed."""
    rng = randomness.generator(1000 * base_seed + seed, randomness.BATCHES)
    shape = (batch_size, config.block_size)
    tokens, targets = (rng.integers(0, config.vocab_size, shape) for _ in range(2))
    tokens[:, 1] = tokens[:, -1] = tokens[:, 0]
    return tokens, targets
