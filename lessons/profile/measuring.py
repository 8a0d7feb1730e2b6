"""One training step of a backend, taken apart: its time by parts of a GPT, and its memory."""

import importlib
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from lessons.alone import run_alone
from shared.commands.terminal import say
from shared.config import GPTConfig, TrainConfig, load_preset
from shared.errors import BackendError
from shared.layout import init_weights
from shared.memory import parameters
from shared.protocol import Trainer, load_backend
from shared.text.datasets import batch

COMPILED = "torch@compile"
ALL = ("numpy", "torch", COMPILED, "jax")
PARTS = {
    "linear layers": r"Linear|GPT\.(for|back)ward|aten::(add)?mm\b",
    "attention": r"Attention|softmax(?!_cross)|(split|merge)_heads|scaled_dot_product|aten::cat",
    "LayerNorm": r"LayerNorm|layer_norm",
    "nonlinearity": r"MLP|Activation|gelu|relu",
    "embedding": r"Embed|embedding|index_select",
    "loss": r"cross_entropy|log_softmax|nll_loss",
    "clip and update": r"AdamW|clip|adam|apply_updates|vector_norm|_foreach",
    "compiled together": r"CompiledFxGraph",
}
"""Patterns of the functions and operations of each part. In a path, the last match decides."""
REST = "the rest"
STEPS, WARM_UP = 20, 3


@dataclass(frozen=True)
class Profile:
    """What was found in one backend."""

    step: float
    """Seconds of a step without a profiler, the median."""
    parts: dict[str, float]
    """Seconds of each of PARTS, and the rest of the step: Python, copies, waiting."""
    operations: dict[str, float]
    """Seconds by the framework's own name, the most expensive first."""
    activations: int
    """Bytes that wait for the backward pass, measured."""
    predicted: int
    """The same by the formula of `predict`."""
    weights: int
    """Bytes of the weights, in float32."""


def profile_all(preset_name: str, names: Sequence[str] = ALL) -> dict[str, Profile]:
    """The profiles by backend, each made in a process of its own. Without a C++ compiler, PyTorch
    compiled is left out, with a message; alone it is an error."""
    found = {}
    for name in names:
        say(f"measuring {name} …")
        try:
            found[name] = run_alone(measure, name, preset_name)
        except BackendError as error:
            if name != COMPILED or len(names) == 1:
                raise
            say(str(error))
    return found


def measure(name: str, preset_name: str) -> Profile:
    """Profile a backend in this process, which should be fresh."""
    config, train = model_and_training(preset_name)
    trainer, tokens, targets = prepare(name, config, train)
    step = median_seconds(lambda: trainer.step(tokens, targets), STEPS)
    profiler = importlib.import_module(f"impls.{name.partition('@')[0]}.runtime.profiler")
    seconds = profiler.profile_time(trainer, tokens, targets, STEPS)
    parts: dict[str, float] = {}
    for operation, value in seconds.items():
        part = part_of(operation)
        parts[part] = parts.get(part, 0.0) + value
    parts[REST] = max(0.0, step - sum(value for part, value in parts.items() if part != REST))
    return Profile(
        step,
        parts,
        operations=dict(sorted(seconds.items(), key=lambda item: -item[1])),
        activations=profiler.activation_bytes(trainer, tokens, targets),
        predicted=predict(name, config, train.batch_size),
        weights=sum(weight.nbytes for weight in trainer.state().weights.values()),
    )


def model_and_training(preset_name: str) -> tuple[GPTConfig, TrainConfig]:
    """What a preset trains, on tinyshakespeare's 65 characters."""
    preset = load_preset(preset_name)
    return GPTConfig(**(preset.model | {"vocab_size": 65})), preset.train


def prepare(
    name: str, config: GPTConfig, train: TrainConfig
) -> tuple[Trainer, Int[np.ndarray, "B T"], Int[np.ndarray, "B T"]]:
    """A trainer of a new model, and a batch."""
    model = load_backend(name).build(config, init_weights(config, 0))
    return model.trainer(train), *example(config, train)[1:]


def example(config: GPTConfig, train: TrainConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random tokens, and a batch of them."""
    ids = np.random.default_rng(0).integers(config.vocab_size, size=100_000)
    sizes = {"batch_size": train.batch_size, "block_size": config.block_size}
    return ids, *batch(ids, **sizes, seed=train.seed, step=0)


def median_seconds(function: Callable[[], object], repeats: int, warm_up: int = WARM_UP) -> float:
    """The median of `repeats` calls, after a few that may compile and warm the caches."""
    times = []
    for _ in range(warm_up + repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return statistics.median(times[warm_up:])


def part_of(operation: str) -> str:
    """The part of a GPT that an operation belongs to, by its name."""
    ends = {
        part: max((match.end() for match in re.finditer(pattern, operation)), default=0)
        for part, pattern in PARTS.items()
    }
    part = max(ends, key=lambda part: ends[part])
    return part if ends[part] else REST


def predict(backend: str, config: GPTConfig, batch_size: int) -> int:
    """The bytes of activations that the backward pass needs, in float32, with GELU.

    In every block: the inputs of two LayerNorms and of four linear layers, q, k and v, and what
    the nonlinearity was given: 8 BTC + 2 BTF. Beside it NumPy keeps the attention weights, BHTT,
    and the nonlinearity's tanh, BTF; PyTorch's fused attention kernel computes its weights again.
    For JAX this is what the equations need; XLA decides what it keeps. (Korthikanti et al. 2022,
    section 4, counts bytes in the same way.)"""
    B, T, C, F = batch_size, config.block_size, config.n_embd, config.inner_size
    block = 8 * B * T * C + 2 * B * T * F
    if not backend.startswith("torch"):
        block += B * config.n_head * T**2
    if backend == "numpy":
        block += B * T * F
    return 4 * (config.n_layer * block + 2 * B * T * C + B * T * config.vocab_size)


def operations(config: GPTConfig, train: TrainConfig) -> int:
    """Floating-point operations of a step's matrix products: 6 for every weight and token, and
    12 · T · C for the attention of a layer (Kaplan et al. 2020, table 1)."""
    attention = config.n_layer * 12 * config.block_size * config.n_embd
    return train.batch_size * config.block_size * (6 * parameters(config) + attention)
