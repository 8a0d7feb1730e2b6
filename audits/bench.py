"""How fast a backend trains and writes, beside its bare matrix products: python -m audits.bench

Every backend runs in its own process, which measures in turns: the matrix products of a training
step alone, in NumPy; the training step; and writing with the KV cache until the window is full. The
multiple is step / products, measured within the same minutes. Run nothing else meanwhile.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from lessons.alone import peak_memory, run_alone
from lessons.command import PresetName, command
from lessons.printing import table_of_numbers
from shared.commands.terminal import say
from shared.config import DEFAULT_PRESET, GPTConfig, SampleConfig, TrainConfig, load_preset
from shared.errors import ConfigError
from shared.layout import init_weights
from shared.protocol import BACKENDS, load_backend
from shared.text.datasets import batch

REPEATS = 10
"""Repetitions per round. The first one warms the caches and does not count."""


@dataclass(frozen=True)
class Options:
    """What to measure."""

    preset: PresetName = DEFAULT_PRESET
    """The recipe whose training step is measured."""
    vocab_size: int = 65
    """Size of the vocabulary. Tinyshakespeare has 65 different characters."""
    rounds: int = 10
    """Rounds of products, step and writing."""


@dataclass(frozen=True)
class Measurement:
    """The measurements of one backend. Times are medians over all rounds, in seconds."""

    products: float
    """The matrix products of a step, in NumPy, in this backend's process."""
    step: float
    """A training step: forward, backward, clipping, optimizer."""
    multiple: float
    """step / products."""
    decode_tokens_per_second: float
    """Writing one text with the KV cache, until the window is full."""
    peak_memory: int | None
    """Peak memory of the process in bytes, including the measuring code."""


def numpy_products(config: GPTConfig, batch_size: int) -> Callable[[], None]:
    """A function that does all the matrix products of a training step in NumPy, in float32.

    For y = a @ b these are y, and in the backward da = dy @ bᵀ and db = aᵀ @ dy. Results go into
    preallocated memory, so that only the products are measured.
    """
    B, T, L = batch_size, config.block_size, config.n_layer
    C, F, V = config.n_embd, config.inner_size, config.vocab_size
    H, D = config.n_head, config.head_size
    shapes: list[tuple[tuple[int, ...], tuple[int, ...], int]] = [
        ((B * T, C), (C, 3 * C), L),  # attn.c_attn
        ((B, H, T, D), (B, H, D, T), L),  # q @ k
        ((B, H, T, T), (B, H, T, D), L),  # weights @ v
        ((B * T, C), (C, C), L),  # attn.c_proj
        ((B * T, C), (C, F), L),  # mlp.c_fc
        ((B * T, F), (F, C), L),  # mlp.c_proj
        ((B * T, C), (C, V), 1),  # lm_head
    ]
    rng = np.random.default_rng(0)
    work = []
    for shape_a, shape_b, count in shapes:
        a = rng.standard_normal(shape_a, dtype=np.float32)
        b = rng.standard_normal(shape_b, dtype=np.float32)
        work.append((count, a, b, a @ b, np.empty_like(a), np.empty_like(b)))

    def run() -> None:
        for count, a, b, y, da, db in work:
            for _ in range(count):
                np.matmul(a, b, out=y)
                np.matmul(y, b.mT, out=da)
                np.matmul(a.mT, y, out=db)

    return run


def measure(backend: str, config: GPTConfig, train: TrainConfig, rounds: int) -> Measurement:
    """Measure `backend` in this process, which should be fresh."""
    model = load_backend(backend).build(config, init_weights(config, train.seed))
    trainer = model.trainer(train)
    ids = np.random.default_rng(0).integers(config.vocab_size, size=100_000)
    sizes = {"batch_size": train.batch_size, "block_size": config.block_size}
    tokens, targets = batch(ids, **sizes, seed=train.seed, step=0)
    writing = SampleConfig(max_new_tokens=config.block_size - 1, temperature=0.8)

    def write() -> None:
        for _ in model.generate(ids[:1], writing):
            pass

    work: list[tuple[Callable[[], object], int, list[float]]] = [
        (numpy_products(config, train.batch_size), REPEATS, []),
        (lambda: trainer.step(tokens, targets), REPEATS, []),
        (write, 2, []),
    ]
    for round_ in range(1 + rounds):  # round 0 compiles
        for function, repeats, seconds in work:
            for repeat in range(repeats):
                began = time.perf_counter()
                function()
                if round_ and repeat:
                    seconds.append(time.perf_counter() - began)
    products, step, text = (statistics.median(seconds) for *_, seconds in work)
    return Measurement(
        products=products,
        step=step,
        multiple=step / products,
        decode_tokens_per_second=writing.max_new_tokens / text,
        peak_memory=peak_memory(),
    )


def render(measured: dict[str, Measurement]) -> Table:
    """The measurements, one backend per row."""
    headings = "", "products (ms)", "step (ms)", "multiple", "tokens/s written", "peak (MiB)"
    table = table_of_numbers(*headings, title="One training step, and the matrix products in it")
    for backend, m in measured.items():
        peak = "?" if m.peak_memory is None else f"{m.peak_memory / 2**20:,.0f}"
        times = f"{1e3 * m.products:.1f}", f"{1e3 * m.step:.1f}", f"{m.multiple:.2f}"
        table.add_row(backend, *times, f"{m.decode_tokens_per_second:,.0f}", peak)
    return table


@command
def main(options: Options) -> int:
    """Measure as the options ask. Returns the exit status."""
    if options.rounds < 1:
        raise ConfigError(f"rounds is {options.rounds}; it must be a whole number, 1 or more")
    preset = load_preset(options.preset)
    config = GPTConfig(**(preset.model | {"vocab_size": options.vocab_size}))
    if config.block_size < 2:
        raise ConfigError("block_size is 1: there is nothing to write before the window is full")
    measured = {}
    for backend in BACKENDS:
        say(f"measuring {backend} …")
        measured[backend] = run_alone(measure, backend, config, preset.train, options.rounds)
    Console(highlight=False).print(render(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
