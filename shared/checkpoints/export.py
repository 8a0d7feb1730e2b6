"""Convert a model to a GPT-2, if GPT-2 can express it: fill in what GPT-2 requires.

GPT-2 always has biases and a table of positions. A model without biases is one whose biases are 0;
sinusoidal positions are a table that was never trained. Both conversions are exact.
"""

from dataclasses import replace

import numpy as np

from shared.checkpoints.tensors import Tensors
from shared.config import GPTConfig
from shared.errors import ConfigError
from shared.layout import tensor_shapes


def as_gpt2(config: GPTConfig, weights: Tensors) -> tuple[GPTConfig, dict[str, np.ndarray]]:
    """The same function with learned positions and biases; `weights` and the result by canonical
    name.

    Raises:
        ConfigError: for a post-norm model. GPT-2 normalises before attention and MLP, whatever its
            weights.
    """
    if config.norm == "post":
        raise ConfigError(
            "a post-norm model is no GPT-2: GPT-2 has its LayerNorms before attention and MLP"
        )
    gpt2 = replace(config, position="learned", bias=True)
    dtype = weights["transformer.wte.weight"].dtype
    filled = {}
    for name, shape in tensor_shapes(gpt2).items():
        if name in weights:
            filled[name] = weights[name]
        elif name == "transformer.wpe.weight":
            filled[name] = sinusoids(*shape).astype(dtype)
        else:
            filled[name] = np.zeros(shape, dtype)
    return gpt2, filled


def sinusoids(positions: int, channels: int) -> np.ndarray:
    """Sines on the even channels, cosines on the odd ones (Vaswani et al. 2017, §3.5), [T, C]."""
    channel = np.arange(0, channels, 2)
    angle = np.arange(positions)[:, None] / 10_000.0 ** (channel / channels)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(positions, -1)[:, :channels]
