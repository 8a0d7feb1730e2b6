"""PyTorch in a mode: compiled, in bfloat16, or on a device. `load_backend("torch@compile")`.

Several are joined by "+": "torch@cuda+compile+bf16".
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler

from shared.config import GPTConfig
from shared.errors import BackendError, ConfigError
from shared.protocol import CAPABILITIES, PRECISIONS
from . import parallel
from .backend import TorchModel, build, find_device
from .cache import KVCache
from .model import GPT

MODES = ("compile", "bf16", "cuda", "mps")
"""What the suite tries with --modes. Every other device of torch is a mode, too."""
SMOOTH = ("gpt2", "erf", "post-erf", "dropout")
"""The cases that bfloat16 is judged on, without ReLU: an input near zero that 8 bits round to the
other side switches a whole gradient on or off."""


@dataclass(frozen=True)
class Mode:
    """`shared.protocol.Backend`: builds this backend's model, and changes how it is computed."""

    name: str
    device: str | None
    compiled: bool
    capabilities: tuple[str, ...]
    dtypes: tuple[str, ...]
    cases: tuple[str, ...] | None
    """The cases that are enough, where all would take long or say little."""
    parallel = parallel

    def build(
        self,
        config: GPTConfig,
        weights: Mapping[str, np.ndarray],
        *,
        dtype: str = "float32",
        device: str = "cpu",
    ) -> TorchModel:
        model = build(config, weights, dtype=dtype, device=self.device or device)
        if self.compiled:
            compile_forward(model.gpt)
        return model


def compile_forward(gpt: GPT) -> None:
    """From now on the forward pass over a whole batch is one compiled function, and so is its
    backward pass, which torch.compile derives from it (Ansel et al. 2024).

    TorchDynamo records the operations at the first call, AOTAutograd adds those of the backward
    pass, and Inductor writes C++ (or Triton on a GPU) that does several in one loop. Each shape is
    compiled by itself. What is different at every call runs as written: decoding, whose cache
    grows, and taps.
    """
    as_written = gpt.forward
    # fullgraph: what cannot be compiled is an error, instead of running as written, unnoticed.
    compiled = torch.compile(
        gpt.forward, fullgraph=True, dynamic=False, isolate_recompiles=True, recompile_limit=64
    )

    def forward(
        tokens: Int[Tensor, "B T"], cache: list[KVCache] | None = None, only: int | None = None
    ) -> Float[Tensor, "B N V"]:
        if cache is None and only is None and not gpt.tap:
            return compiled(tokens)
        return as_written(tokens, cache, only)

    gpt.forward = forward  # type: ignore[method-assign]


def mode(words: str) -> Mode:
    """The mode of that name. Raises `BackendError` if this machine lacks it."""
    name, asked = f"torch@{words}", words.split("+")
    devices = [word for word in asked if word not in ("compile", "bf16", "fsdp")]
    try:
        if len(devices) > 1 or len(set(asked)) < len(asked):
            raise ConfigError("one device, and each mode once, joined by +")
        for device in devices:
            find_device(device)
        if "fsdp" in asked:
            raise ConfigError("PyTorch keeps the weights whole in every process here; JAX has it")
        if "compile" in asked:
            get_cpp_compiler()
    except (ConfigError, InvalidCxxCompiler) as error:
        raise BackendError(f"{name} is not available: {error}") from None
    capabilities, precisions = tuple(CAPABILITIES), PRECISIONS
    cases: tuple[str, ...] | None = None
    if "mps" in asked:  # it has no float64
        precisions = ("float32",)
    if "bf16" in asked:  # texts must be equal, and so are judged in full precision
        precisions, capabilities = ("bfloat16",), ("trace", "grads", "trainer")
        cases = SMOOTH
    if "compile" in asked:  # seconds for each model that a test builds
        capabilities, cases = ("grads", "trainer"), ("gpt2", "dropout")
    place = devices[0] if devices else None
    return Mode(name, place, "compile" in asked, capabilities, precisions, cases)
