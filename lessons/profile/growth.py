"""Training steps of models that differ in one size: their time and memory."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib import import_module

from lessons.alone import in_process
from lessons.profile import measuring
from shared.commands.terminal import say
from shared.config import GPTConfig, TrainConfig

SIZES = {"batch_size": "B", "block_size": "T", "n_embd": "C", "n_layer": "L"}
"""What grows, with the letter of the formulas."""
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
STEPS = 5


@dataclass(frozen=True)
class Cost:
    """A training step of one backend, with one size changed."""

    size: str
    """The field of `GPTConfig` or `TrainConfig`."""
    value: int
    operations: int
    """Floating-point operations of the matrix products."""
    seconds: float
    activations: int
    predicted: int
    """Bytes that wait for the backward pass: measured, and by the formula."""


def measure_growth(preset_name: str, backends: Sequence[str]) -> Iterator[list[Cost]]:
    """The costs in every backend, for five values of every size. The backends take turns, each in
    its own process."""
    config, train = measuring.model_and_training(preset_name)
    with ExitStack() as stack:
        call = {backend: stack.enter_context(in_process()) for backend in backends}
        for size in SIZES:
            middle = (asdict(config) | asdict(train))[size]
            for value in dict.fromkeys(max(1, int(middle * factor)) for factor in FACTORS):
                say(f"{size} {value} …")
                if size == "batch_size":
                    changed = config, replace(train, batch_size=value)
                else:
                    changed = GPTConfig(**(asdict(config) | {size: value})), train
                yield [call[each](measure, each, size, value, *changed) for each in backends]


def measure(backend: str, size: str, value: int, config: GPTConfig, train: TrainConfig) -> Cost:
    trainer, tokens, targets = measuring.prepare(backend, config, train)
    seconds = measuring.median_seconds(lambda: trainer.step(tokens, targets), STEPS)
    profiler = import_module(f"impls.{backend}.runtime.profiler")
    kept = profiler.activation_bytes(trainer, tokens, targets)
    predicted = measuring.predict(backend, config, train.batch_size)
    return Cost(size, value, measuring.operations(config, train), seconds, kept, predicted)
