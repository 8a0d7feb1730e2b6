"""How fast a backend trains and writes, beside its bare matrix products: python -m audits.bench

Every backend has its own process. They take turns, so that a machine whose speed drifts is as slow
for one as for another; a turn is the matrix products of a training step alone, in NumPy, the
training step, and writing with the KV cache until the window is full. `--against nanogpt=DIR` lets
a checkout of nanoGPT take its turns, too. Run nothing else meanwhile.
"""

import contextlib
import importlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from threadpoolctl import threadpool_info

from audits.readme import README, update_readme
from lessons.alone import in_process, peak_memory
from lessons.command import PresetName, command
from lessons.printing import table_of_numbers
from shared.commands.options import UsageError
from shared.commands.terminal import say
from shared.config import DEFAULT_PRESET, GPTConfig, SampleConfig, TrainConfig, load_preset
from shared.errors import ConfigError
from shared.layout import init_weights
from shared.protocol import BACKENDS, load_backend
from shared.text.datasets import batch

REPEATS = 10
"""Repetitions in a turn. The first one warms the caches and does not count."""


@dataclass(frozen=True)
class Options:
    """What to measure."""

    preset: PresetName = DEFAULT_PRESET
    """The recipe whose training step is measured."""
    vocab_size: int = 65
    """Size of the vocabulary. Tinyshakespeare has 65 different characters."""
    rounds: int = 10
    """Turns of each backend."""
    against: str | None = None
    """nanogpt=DIR: also measure the model.py of a checkout of nanoGPT, and compare with it."""
    update_readme: bool = False
    """Also write the table into README.md."""


@dataclass(frozen=True)
class Setting:
    """The same for all: a model, a batch, and a text to write."""

    config: GPTConfig
    train: TrainConfig

    @property
    def ids(self) -> np.ndarray:
        return np.random.default_rng(0).integers(self.config.vocab_size, size=100_000)

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        sizes = {"batch_size": self.train.batch_size, "block_size": self.config.block_size}
        return batch(self.ids, **sizes, seed=self.train.seed, step=0)

    @property
    def writing(self) -> SampleConfig:
        """From one token on, until the window is full."""
        return SampleConfig(max_new_tokens=self.config.block_size - 1, temperature=0.8)


Work = dict[str, Callable[[], object]]
"""What is measured: products, step, writing."""
Turn = dict[str, float]
"""Seconds of each work; the median of a turn."""


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


def backend_work(name: str, setting: Setting) -> Work:
    """The training step of a backend, and its writing."""
    config, train = setting.config, setting.train
    model = load_backend(name).build(config, init_weights(config, train.seed))
    trainer, (tokens, targets) = model.trainer(train), setting.batch()
    return {
        "step": lambda: trainer.step(tokens, targets),
        "writing": lambda: list(model.generate(setting.ids[:1], setting.writing)),
    }


def nanogpt_work(directory: str, setting: Setting) -> Work:
    """The same in nanoGPT, as its train.py and sample.py do it on a CPU."""
    torch: Any = importlib.import_module("torch")
    sys.path.insert(0, directory)
    theirs: Any = importlib.import_module("model")
    config, train, writing = setting.config, setting.train, setting.writing
    names = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd", "bias", "dropout")
    with contextlib.redirect_stdout(sys.stderr):  # it says how many parameters it has
        model = theirs.GPT(theirs.GPTConfig(**{name: getattr(config, name) for name in names}))
        rates = train.weight_decay, train.learning_rate, (train.beta1, train.beta2)
        optimizer = model.configure_optimizers(*rates, "cpu")
    tokens, targets = map(torch.from_numpy, setting.batch())
    start = torch.from_numpy(setting.ids[None, :1])

    def step() -> None:
        _, loss = model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    return {
        "step": step,
        "writing": lambda: model.generate(start, writing.max_new_tokens, writing.temperature),
    }


# In the process of a subject: the name of a backend, or nanogpt=DIR.

WORK: Work = {}


def set_up(subject: str, setting: Setting) -> None:
    """Make ready what is measured, and do it once: it may compile."""
    WORK["products"] = numpy_products(setting.config, setting.train.batch_size)
    name, _, directory = subject.partition("=")
    WORK.update(nanogpt_work(directory, setting) if directory else backend_work(name, setting))
    for function in WORK.values():
        function()


def take_turn() -> Turn:
    """Measure every work."""
    turn = {}
    for name, function in WORK.items():
        seconds = []
        for _ in range(2 if name == "writing" else REPEATS):
            began = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - began)
        turn[name] = statistics.median(seconds[1:])
    return turn


def machine() -> str:
    """What NumPy computes with here."""
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    kernels = (
        f"{b['internal_api']} {b.get('architecture')}, {b['num_threads']} threads" for b in blas
    )
    return f"{platform.machine()}, {os.cpu_count()} CPUs, NumPy's products by {next(kernels, '?')}"


# Here


def spread(values: Sequence[float], form: str) -> str:
    """Median, lowest and highest."""
    middle, low, high = (f(values) for f in (statistics.median, min, max))
    return f"{middle:{form}}\n({low:{form}}–{high:{form}})"


def rows_of(
    turns: dict[str, list[Turn]], memory: dict[str, int | None], tokens: int
) -> list[list[str]]:
    """A row for each subject. Ratios are of the same round."""
    peer = next((name for name in turns if "=" in name), None)
    rows = [["", "step (ms)", "step / products", "tokens/s written", "peak (MiB)"]]
    rows[0] += [f"step / {peer.partition('=')[0]}"] if peer else []
    for name, its in turns.items():
        row = [
            name.partition("=")[0],
            spread([1e3 * turn["step"] for turn in its], ".1f"),
            spread([turn["step"] / turn["products"] for turn in its], ".2f"),
            spread([tokens / turn["writing"] for turn in its], ",.0f"),
            "?" if (peak := memory[name]) is None else f"{peak / 2**20:,.0f}",
        ]
        if peer:
            pairs = zip(its, turns[peer], strict=True)
            row.append(spread([ours["step"] / theirs["step"] for ours, theirs in pairs], ".2f"))
        rows.append(row)
    return rows


@command
def main(options: Options) -> int:
    """Measure as the options ask. Returns the exit status."""
    if options.rounds < 1:
        raise ConfigError(f"rounds is {options.rounds}; it must be a whole number, 1 or more")
    name, _, directory = (options.against or "").partition("=")
    if options.against is not None and (
        name != "nanogpt" or not Path(directory, "model.py").exists()
    ):
        raise UsageError(f"--against {options.against}: expected nanogpt=DIR, with its model.py")
    preset = load_preset(options.preset)
    config = GPTConfig(**(preset.model | {"vocab_size": options.vocab_size}))
    if config.block_size < 2:
        raise ConfigError("block_size is 1: there is nothing to write before the window is full")
    setting = Setting(config, preset.train)
    subjects = [*BACKENDS, *([options.against] if options.against else [])]
    turns: dict[str, list[Turn]] = {subject: [] for subject in subjects}
    with contextlib.ExitStack() as stack:
        call = {subject: stack.enter_context(in_process()) for subject in subjects}
        for subject in subjects:
            say(f"preparing {subject} …")
            call[subject](set_up, subject, setting)
        say(f"{options.rounds} rounds …")
        for _ in range(options.rounds):
            for subject in subjects:
                turns[subject].append(call[subject](take_turn))
        memory = {subject: call[subject](peak_memory) for subject in subjects}
        where = call[BACKENDS[0]](machine)
    headings, *rows = rows_of(turns, memory, setting.writing.max_new_tokens)
    title = f"{preset.name}, float32; median (lowest–highest) of {options.rounds} rounds"
    table = table_of_numbers(*headings, title=title, caption=where)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
    if options.update_readme:
        lines = [headings, ["---", *["--:"] * (len(headings) - 1)], *rows]
        markdown = "\n".join(f"| {' | '.join(line)} |".replace("\n", " ") for line in lines)
        update_readme(README, "bench", f"{title}; {where}.\n\n{markdown}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
