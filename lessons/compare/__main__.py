"""Train all three backends from the same weights on the same batches: python -m lessons.compare

One after another, each in a separate process, so that each backend is timed with the machine to
itself. Standard output is the comparison; progress goes to standard error.
"""

import sys
from dataclasses import dataclass, replace
from itertools import takewhile

from rich.console import Console
from rich.table import Table

from lessons.alone import run_alone
from lessons.command import TrainingOptions, command
from lessons.compare.training import Report, Task, train_backend
from lessons.printing import table_of_numbers
from shared.commands.options import UsageError
from shared.commands.terminal import end_of_checks, escape_controls, say
from shared.config import GPTConfig, SampleConfig, load_preset
from shared.layout import init_weights
from shared.protocol import BACKENDS
from shared.text.datasets import encode_dataset, fit_tokenizer, load_dataset
from shared.text.tokenizers import Tokenizer

MILESTONES = 6
"""The number of parts into which the table divides the training."""


@dataclass(frozen=True)
class Options(TrainingOptions):
    steps: int = 300
    """Optimizer steps of each backend. The learning rate's schedule is fitted to them."""
    prompt: str = "\n"
    """The text that each sample continues."""
    max_new_tokens: int = 200
    """Length of a sample."""


@command
def main(options: Options) -> int:
    if not options.prompt:
        raise UsageError("the prompt is empty: there is no token to go on from")
    task, tokenizer, note = _prepare(options)
    end_of_checks()
    out = Console(highlight=False)
    say(f"data: {note}")
    reports = {}
    for backend in BACKENDS:
        say(f"{backend}: {task.train.steps:,} steps")
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
    table = table_of_numbers(
        *("", *reports, "largest difference"),
        title="The same weights, the same batches, three implementations",
        caption="Losses in nats per token. JAX compiles in its first step, counted only there.",
    )

    def row(label: str, values: list[float], form: str, *, compare: bool = False) -> None:
        difference = f"{max(values) - min(values):.1e}" if compare else ""
        table.add_row(label, *(format(value, form) for value in values), difference)

    every = list(reports.values())
    steps = len(every[0].losses)
    shown = {1} | {max(1, steps * part // MILESTONES) for part in range(1, MILESTONES + 1)}
    for step in sorted(shown):
        row(f"loss at step {step:,}", [r.losses[step - 1] for r in every], ".6f", compare=True)
    row("validation loss", [r.val_loss for r in every], ".6f", compare=True)
    table.add_section()
    row("first step (ms)", [1e3 * r.first_step for r in every], ",.0f")
    row("median step (ms)", [1e3 * r.step for r in every], ",.1f")
    row("tokens per second", [r.tokens_per_second for r in every], ",.0f")
    return table


def samples(reports: dict[str, Report], tokenizer: Tokenizer, prompt: str) -> list[str]:
    """Each backend's text, under a line that says how much of it is the same."""
    texts = [report.sample for report in reports.values()]
    same = len(list(takewhile(lambda tokens: len(set(tokens)) == 1, zip(*texts, strict=False))))
    intro = "After the same prompt, with the same seed, all write the same"
    if same == min(map(len, texts)):
        lines = [f"\n{intro} {same} tokens."]
    else:
        lines = [f"\n{intro} first {same} tokens; from there on rounding errors decide."]
    for backend, report in reports.items():
        lines += [f"\n--- {backend}", escape_controls(prompt + tokenizer.decode(report.sample))]
    return lines


if __name__ == "__main__":
    sys.exit(main())
