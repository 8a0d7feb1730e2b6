"""Train all three backends from the same weights on the same batches: python -m lessons.compare

One after another, each in a separate process, so that each backend is timed with the machine to
itself. Standard output is the comparison; progress goes to standard error.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.conf import arg

from lessons.alone import run_alone
from lessons.compare.training import Report, Task, train_backend
from shared.commands.options import UsageError, parse
from shared.commands.terminal import end_of_checks, escape_controls, run_command
from shared.config import DEFAULT_PRESET, GPTConfig, SampleConfig, load_preset, preset_names
from shared.layout import init_weights
from shared.protocol import BACKENDS
from shared.text.datasets import DATASETS, encode_dataset, fit_tokenizer, load_dataset
from shared.text.tokenizers import Tokenizer

PROGRAM = "python -m lessons.compare"
MILESTONES = 6
"""The number of parts into which the table divides the training."""


@dataclass(frozen=True)
class Options:
    """What to train, and for how long."""

    steps: int = 300
    """Optimizer steps of each backend. The learning rate's schedule is fitted to them."""
    dataset: Annotated[str, arg(metavar="|".join((*DATASETS, "FILE")))] = "auto"
    """auto: tinyshakespeare if available, otherwise playlets. FILE: any UTF-8 text."""
    preset: Annotated[str, arg(metavar="|".join(preset_names()))] = DEFAULT_PRESET
    """The recipe."""
    seed: int = 1337
    """Seed of the initial weights and of the order of the batches."""
    prompt: str = "\n"
    """The text that each sample continues."""
    max_new_tokens: int = 200
    """Length of a sample."""


def main(argv: Sequence[str] | None = None) -> int:
    """Compare as the command line asks. Returns the exit status."""
    return run_command(lambda: _compare(argv))


def _compare(argv: Sequence[str] | None) -> int:
    options = parse(Options, argv, default=Options(), prog=PROGRAM, description=__doc__ or "")
    if not options.prompt:
        raise UsageError("the prompt is empty: there is no token to go on from")
    task, tokenizer, note = _prepare(options)
    end_of_checks()
    progress, out = Console(stderr=True, highlight=False), Console(highlight=False)
    progress.print(escape(f"data: {note}"))
    reports = {}
    for backend in BACKENDS:
        progress.print(f"{backend}: {task.train.steps:,} steps")
        reports[backend] = run_alone(train_backend, backend, task)
    out.print(side_by_side(reports))
    for line in samples(reports, tokenizer, options.prompt):
        out.print(line, markup=False, soft_wrap=True)
    return 0


def _prepare(options: Options) -> tuple[Task, Tokenizer, str]:
    preset = load_preset(options.preset)
    train = replace(preset.train, steps=options.steps, seed=options.seed)
    sampling = SampleConfig(options.max_new_tokens, temperature=0.8)
    dataset = load_dataset(options.dataset)
    tokenizer = fit_tokenizer(dataset, preset.tokenizer, preset.model.get("vocab_size"))
    config = GPTConfig(**(preset.model | {"vocab_size": tokenizer.vocab_size}))
    data = encode_dataset(dataset, tokenizer, config.block_size)
    weights, prompt = init_weights(config, train.seed), tokenizer.encode(options.prompt)
    return Task(config, weights, train, data, prompt, sampling), tokenizer, dataset.note


def side_by_side(reports: dict[str, Report]) -> Table:
    """The measurements, one backend per column."""
    table = Table(
        title="The same weights, the same batches, three implementations",
        caption="Losses in nats per token. JAX compiles in its first step, counted only there.",
    )
    for heading in ("", *reports, "largest difference"):
        table.add_column(heading, justify="right" if heading else "left")

    def row(label: str, values: list[float], form: str, *, compare: bool = False) -> None:
        difference = f"{max(values) - min(values):.1e}" if compare else ""
        table.add_row(label, *(format(value, form) for value in values), difference)

    every = list(reports.values())
    for step in milestones(len(every[0].losses)):
        row(f"loss at step {step:,}", [r.losses[step - 1] for r in every], ".6f", compare=True)
    row("validation loss", [r.val_loss for r in every], ".6f", compare=True)
    table.add_section()
    row("first step (ms)", [1e3 * r.first_step for r in every], ",.0f")
    row("median step (ms)", [1e3 * r.step for r in every], ",.1f")
    row("tokens per second", [r.tokens_per_second for r in every], ",.0f")
    return table


def milestones(steps: int) -> list[int]:
    """The first step, the last, and some at equal distances between them."""
    return sorted({1} | {max(1, steps * part // MILESTONES) for part in range(1, MILESTONES + 1)})


def samples(reports: dict[str, Report], tokenizer: Tokenizer, prompt: str) -> list[str]:
    """Each backend's text, under a line that says how much of it is the same."""
    same = len(list(_common_beginning([report.sample for report in reports.values()])))
    shortest = min(len(report.sample) for report in reports.values())
    intro = "After the same prompt, with the same seed, all write the same"
    if same == shortest:
        lines = [f"\n{intro} {same} tokens."]
    else:
        lines = [f"\n{intro} first {same} tokens; from there on rounding errors decide."]
    for backend, report in reports.items():
        lines += [f"\n--- {backend}", escape_controls(prompt + tokenizer.decode(report.sample))]
    return lines


def _common_beginning(texts: list[list[int]]) -> list[int]:
    for length, tokens in enumerate(zip_longest(*texts)):
        if len(set(tokens)) > 1:
            return texts[0][:length]
    return texts[0]


if __name__ == "__main__":
    sys.exit(main())
