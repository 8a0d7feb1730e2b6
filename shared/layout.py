"""The weights of a model: their names, their shapes, and their initial values.

Every backend starts from the same values.
"""

import math

import numpy as np

from shared import randomness
from shared.config import GPTConfig, weight_dtype


def tensor_shapes(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """The manifest: the shape of every weight by canonical name, in the order of the data flow.

    Names and layouts are GPT-2's: linears are stored (in, out), except lm_head, which is [V, C]
    like the embedding it may be tied to (and is absent when it is). Biases are absent when
    `config.bias` is false, `wpe` when positions are sinusoidal, `ln_f` in a post-norm model.
    """
    V, C, F = config.vocab_size, config.n_embd, config.inner_size
    shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (V, C)}
    if config.position == "learned":
        shapes["transformer.wpe.weight"] = (config.block_size, C)

    def add(name: str, weight: tuple[int, ...]) -> None:
        shapes[f"{name}.weight"] = weight
        if config.bias:
            shapes[f"{name}.bias"] = weight[-1:]

    for i in range(config.n_layer):
        block = f"transformer.h.{i}"
        add(f"{block}.ln_1", (C,))
        add(f"{block}.attn.c_attn", (C, 3 * C))
        add(f"{block}.attn.c_proj", (C, C))
        add(f"{block}.ln_2", (C,))
        add(f"{block}.mlp.c_fc", (C, F))
        add(f"{block}.mlp.c_proj", (F, C))
    if config.norm == "pre":
        add("transformer.ln_f", (C,))
    if not config.tie_weights:
        shapes["lm_head.weight"] = (V, C)
    return shapes


def init_weights(config: GPTConfig, seed: int, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Initial weights by canonical name (Radford et al. 2019, §2.3).

    Matrices are drawn from N(0, 0.02); those that write into the residual stream (the two c_proj of
    every block) from N(0, 0.02/√(2·n_layer)), so that the sum of all 2·n_layer contributions does
    not grow with depth. Biases are 0 and LayerNorm's gains 1.

    Drawn in float64 and then rounded to `dtype`, so float32 and float64 runs start alike.
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
        weights[name] = value.astype(weight_dtype(dtype))
    return weights
