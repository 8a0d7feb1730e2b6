"""Modes of PyTorch: compiled, in bfloat16, or on a device, as in `load_backend("torch@compile")`.

Join several with "+": "torch@cuda+compile+bf16".
"""

from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler

from shared.errors import BackendError, ConfigError
from shared.protocol import CAPABILITIES, PRECISIONS
from .backend import TorchModel, build, find_device
from .cache import KVCache
from .model import GPT
from .runtime import parallel

MODES = ("compile", "bf16", "cuda", "mps")
"""What the suite tries with --modes. Any other device of torch is a mode, too."""
SMOOTH = ("gpt2", "erf", "post-erf", "dropout")
"""The cases that bfloat16 is judged on. None has ReLU: where 8 bits round an input across zero,
ReLU switches a whole gradient on or off."""


def compile_forward(gpt: GPT) -> None:
    """Compile the forward pass over a whole batch into one function, and the backward pass, which
    torch.compile derives from it (Ansel et al. 2024), into another.

    TorchDynamo records the operations at the first call, AOTAutograd adds those of the backward
    pass, and Inductor writes C++ (or Triton on a GPU) that does several in one loop. Each shape is
    compiled separately. What differs at every call runs as written: decoding, whose cache grows,
    and taps.
    """
    as_written = gpt.forward
    # fullgraph: what cannot be compiled is an error, instead of silently running as written.
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


def mode(words: str) -> SimpleNamespace:
    """The mode of that name: a `shared.protocol.Backend` that changes how this backend's model is
    computed. Raises `BackendError` if this machine lacks it."""
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
    if "bf16" in asked:  # texts must be equal, so they are judged in full precision
        precisions, capabilities = ("bfloat16",), ("trace", "grads", "trainer")
        cases = SMOOTH
    if "compile" in asked:  # compiling takes seconds for each model
        capabilities, cases = ("grads", "trainer"), ("gpt2", "dropout")

    def build_in_mode(*given: Any, device: str = "cpu", **options: Any) -> TorchModel:
        model = build(*given, device=devices[0] if devices else device, **options)
        if "compile" in asked:
            compile_forward(model.gpt)
        return model

    offered = {"capabilities": capabilities, "dtypes": precisions, "cases": cases}
    return SimpleNamespace(name=name, build=build_in_mode, parallel=parallel, **offered)
