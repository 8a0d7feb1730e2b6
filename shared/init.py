"""The one place where initial weights are drawn: every backend starts from the same ones."""

import math

import numpy as np

from shared import randomness
from shared.config import GPTConfig
from shared.weights import tensor_shapes


def init_weights(config: GPTConfig, seed: int, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Initial weights by canonical name (Radford et al. 2019, §2.3).

    Matrices are drawn from N(0, 0.02); those that write into the residual stream (the two c_proj of
    every block) from N(0, 0.02/√(2·n_layer)), so that the sum of all 2·n_layer contributions does
    not grow with depth. Biases are 0 and LayerNorm's gains 1.

    Drawn in float64 and then rounded to `dtype`, so a float32 and a float64 run start together.
    """
    rng = randomness.generator(seed, randomness.WEIGHTS)
    weights = {}
    for name, shape in tensor_shapes(config).items():
        if name.endswith(".bias"):
            value = np.zeros(shape)
        elif len(shape) == 1:
            value = np.ones(shape)
        else:
            residual = name.endswith("c_proj.weight")
            std = 0.02 / math.sqrt(2 * config.n_layer) if residual else 0.02
            value = std * rng.standard_normal(shape)
        weights[name] = value.astype(dtype)
    return weights
