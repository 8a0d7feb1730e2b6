"""Write a trained GPT as a GPT-2, which Hugging Face's Transformers opens with AutoModelForCausalLM
and AutoTokenizer: `python -m shared.commands.export --run runs/numpy --to DIR`."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shared.checkpoints.checkpoint import save_checkpoint
from shared.checkpoints.directories import model_around
from shared.checkpoints.tensors import Tensors
from shared.commands.options import Directory, UsageError, command
from shared.commands.terminal import OK, say
from shared.commands.trained import load_trained
from shared.config import GPTConfig
from shared.errors import ConfigError
from shared.layout import tensor_shapes


@dataclass(frozen=True)
class ExportOptions:
    run: Directory = Path("runs/numpy")
    """A run of any backend, whose newest checkpoint is used, or a checkpoint."""
    to: Directory = Path("exported")
    """The directory to create. An existing one is not replaced."""


@command
def main(options: ExportOptions) -> int:
    if os.path.lexists(options.to):
        raise UsageError(f"{options.to} is there already; choose a name that is free")
    if model := model_around(options.to):
        raise UsageError(f"{options.to}: {model} holds a model; choose another --to")
    checkpoint, tokenizer = load_trained("numpy", options.run)
    config, weights = as_gpt2(checkpoint.config, checkpoint.weights)
    save_checkpoint(options.to, config, weights, tokenizer=tokenizer)
    say(f"saved {options.to}; in Python: AutoModelForCausalLM.from_pretrained({str(options.to)!r})")
    return OK


def as_gpt2(config: GPTConfig, weights: Tensors) -> tuple[GPTConfig, dict[str, np.ndarray]]:
    """The same function as a GPT-2, which always has biases and a table of positions.

    Both conversions are exact: a model without biases is one whose biases are 0, and sinusoidal
    positions are a table that was never trained. Raises `ConfigError` for a post-norm model.
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


if __name__ == "__main__":
    sys.exit(main())
