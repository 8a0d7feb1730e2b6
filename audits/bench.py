"""How fast each backend trains and writes: nox -s bench

Every backend has its own process. They take turns, so that a machine whose speed drifts is as slow
for one as for another; a turn is some training steps, and a text with the KV cache until the window
is full. `--against nanogpt=DIR` lets a checkout of nanoGPT take its turns, too, without
torch.compile, as its README advises on a CPU. Run nothing else meanwhile.
"""

import contextlib
import importlib
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from threadpoolctl import threadpool_info
from tyro.conf import FlagCreatePairsOff, arg

from audits.readme import README, update_readme
from lessons.alone import in_process
from lessons.command import PresetName, command
from lessons.printing import table_of_numbers
from lessons.profile.measuring import example, median_seconds, operations
from shared.commands.options import UsageError
from shared.commands.terminal import say
from shared.config import DEFAULT_PRESET, GPTConfig, SampleConfig, TrainConfig, load_preset
from shared.errors import BackendError, ConfigError
from shared.files import explained, write_whole
from shared.layout import init_weights
from shared.protocol import BACKENDS, load_backend

REPEATS = 10
"""Repetitions in a turn. The first one warms the caches and does not count."""


@dataclass(frozen=True)
class Options:
    preset: PresetName = DEFAULT_PRESET
    """The recipe whose training step is measured."""
    rounds: int = 10
    """Turns of each backend."""
    against: str | None = None
    """nanogpt=DIR: also measure the model.py of a checkout of nanoGPT, and compare with it."""
    json: Annotated[Path | None, arg(metavar="FILE")] = None
    """Also write every turn into a file, with the machine and the versions."""
    update_readme: FlagCreatePairsOff[bool] = False
    """Also write the table into README.md."""


Work = dict[str, Callable[[], object]]
"""What is measured: step, writing."""
Turn = dict[str, float]
"""Seconds of each work; the median of a turn."""


def backend_work(name: str, config: GPTConfig, train: TrainConfig) -> Work:
    """The training step of a backend, and its writing."""
    model = load_backend(name).build(config, init_weights(config, train.seed))
    trainer, (ids, tokens, targets) = model.trainer(train), example(config, train)
    writing = SampleConfig(max_new_tokens=config.block_size - 1, temperature=0.8)
    return {
        "step": lambda: trainer.step(tokens, targets),
        "writing": lambda: list(model.generate(ids[:1], writing)),
    }


def nanogpt_work(directory: str, config: GPTConfig, train: TrainConfig) -> Work:
    """The same in nanoGPT, as its train.py and sample.py do it on a CPU."""
    torch: Any = importlib.import_module("torch")
    sys.path.insert(0, directory)
    theirs: Any = importlib.import_module("model")
    names = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd", "bias", "dropout")
    with contextlib.redirect_stdout(sys.stderr):  # it says how many parameters it has
        model = theirs.GPT(theirs.GPTConfig(**{name: getattr(config, name) for name in names}))
        rates = train.weight_decay, train.learning_rate, (train.beta1, train.beta2)
        optimizer = model.configure_optimizers(*rates, "cpu")
    ids, tokens, targets = map(torch.from_numpy, example(config, train))

    def step() -> None:
        _, loss = model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.grad_clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()

    writing = config.block_size - 1, 0.8
    return {"step": step, "writing": lambda: model.generate(ids[None, :1], *writing)}


# In the process of a subject: the name of a backend, or nanogpt=DIR.

WORK: Work = {}


def set_up(subject: str, config: GPTConfig, train: TrainConfig) -> str:
    """Do the work once, as it may compile. Returns the kernels of matrix products, if known."""
    name, _, directory = subject.partition("=")
    make, of = (nanogpt_work, directory) if directory else (backend_work, name)
    try:
        WORK.update(make(of, config, train))
        for function in WORK.values():
            function()
    except (Exception, SystemExit) as error:
        if not directory:
            raise
        why = f"{type(error).__name__}: {error}"
        raise BackendError(f"{directory}/model.py is not nanoGPT's: {why}") from None
    names = (pool.get("architecture") for pool in threadpool_info())
    return ", ".join(filter(None, names))


def take_turn() -> Turn:
    return {
        name: median_seconds(function, 1 if name == "writing" else REPEATS - 1, warm_up=1)
        for name, function in WORK.items()
    }


# Here


def spread(values: Iterable[float], form: str) -> str:
    """Median, lowest and highest."""
    every = sorted(values)
    return f"{statistics.median(every):{form}}\n({every[0]:{form}}–{every[-1]:{form}})"


def columns(
    turns: list[Turn], peer: list[Turn], config: GPTConfig, train: TrainConfig
) -> dict[str, str]:
    """What was measured of a subject, by heading. Ratios are of the same round."""
    work, tokens = operations(config, train), config.block_size - 1
    shown = {
        "step (ms)": spread((1e3 * turn["step"] for turn in turns), ".1f"),
        "GFLOP/s": spread((work / 1e9 / turn["step"] for turn in turns), ".1f"),
        "tokens/s written": spread((tokens / turn["writing"] for turn in turns), ",.0f"),
    }
    if peer:
        pairs = zip(turns, peer, strict=True)
        shown["step / nanoGPT"] = spread((our["step"] / its["step"] for our, its in pairs), ".2f")
    return shown


@command
def main(options: Options) -> int:
    if options.update_readme and not (options.against and options.preset == DEFAULT_PRESET):
        raise UsageError("--update-readme needs --against, and the default preset")
    if options.rounds < 1:
        raise ConfigError(f"rounds is {options.rounds}; it must be a whole number, 1 or more")
    name, _, directory = (options.against or "").partition("=")
    there = name == "nanogpt" and directory and Path(directory, "model.py").is_file()
    if options.against is not None and not there:
        raise UsageError(f"--against {options.against}: expected nanogpt=DIR, with its model.py")
    preset = load_preset(options.preset)
    config = GPTConfig(**({"vocab_size": 65} | preset.model))  # tinyshakespeare's characters
    if config.block_size < 2:
        raise ConfigError("block_size is 1: there is nothing to write before the window is full")
    subjects = [*BACKENDS, *([options.against] if options.against else [])]
    turns: dict[str, list[Turn]] = {subject: [] for subject in subjects}
    kernels = {}
    with contextlib.ExitStack() as stack:
        call = {subject: stack.enter_context(in_process()) for subject in turns}
        for subject in turns:
            say(f"preparing {subject} …")
            kernels[subject] = call[subject](set_up, subject, config, preset.train)
        for i in range(options.rounds):
            say(f"round {i + 1} of {options.rounds}")
            for subject, its in turns.items():
                its.append(call[subject](take_turn))
    peer = turns[options.against] if options.against else []
    shown = {
        subject.partition("=")[0]: columns(its, peer, config, preset.train)
        for subject, its in turns.items()
    }
    title = f"{preset.name}, float32; median (lowest–highest) of {options.rounds} rounds"
    where = f"{os.cpu_count()} CPU cores ({platform.machine()}; OpenBLAS: {kernels['numpy']}); "
    where += ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "jax"))
    if options.json is not None:
        about = {"preset": preset.name, "machine": where, "kernels": kernels}
        with explained("write", options.json):
            write_whole(options.json, json.dumps(about | {"seconds": turns}, indent=1) + "\n")
    table = table_of_numbers("", *shown[BACKENDS[0]], title=title, caption=where)
    for name, cells in shown.items():
        table.add_row(name, *cells.values())
    Console(highlight=False).print(table)
    if options.update_readme:
        rows = [["", *shown[BACKENDS[0]]], ["---"] * (1 + len(shown[BACKENDS[0]]))]
        rows += [[name, *cells.values()] for name, cells in shown.items()]
        lines = ("| " + " | ".join(row).replace("\n", " ") + " |\n" for row in rows)
        update_readme(README, "bench", f"{title}. {where}.\n\n{''.join(lines)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
