"""Training curves of several runs in one plot: python -m lessons.curves runs/numpy runs/torch

The thin lines are losses of single batches, and noisy; the markers are losses on the whole
validation split. Dashed: the floor, the best possible loss, if it is known for the dataset. Runs
with tokens of different lengths are drawn in bits per byte, because their losses per token are not
comparable.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional, arg

from lessons.command import command
from lessons.printing import table_of_numbers
from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.options import UsageError
from shared.commands.terminal import escape_controls, say
from shared.errors import RunError
from shared.runs.directory import RunDirectory
from shared.runs.metrics import Metrics, read_metrics
from shared.text.datasets import encode_dataset, load_dataset

NATS, BITS = "nats per token", "bits per byte"
COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "tab:cyan")
MARKERS = ("o", "s", "^", "D", "v")
UNKNOWN = "?"
FLOOR_KNOWN = "playlets"
"""The dataset whose true probabilities are known."""
_load_once = cache(load_dataset)


@dataclass(frozen=True)
class Options:
    """The runs."""

    runs: Positional[tuple[Annotated[Path, arg(metavar="DIR")], ...]] = ()
    """Directories of runs, each with its metrics.jsonl."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("curves.png")
    """The picture, a PNG."""


@command
def main(options: Options) -> int:
    """Draw as the options ask. Returns the exit status."""
    if not options.runs:
        raise UsageError(
            "name the runs to draw, such as: python -m lessons.curves runs/numpy runs/torch"
        )
    runs = [read_run(path) for path in options.runs]
    unit, lengths = NATS, [run.bytes_per_token for run in runs]
    if max(lengths) - min(lengths) >= 1e-6 * min(lengths):
        say(
            "note: a token of one run is longer than one of another, so nats per token cannot be "
            "compared; these are bits per byte"
        )
        unit, runs = BITS, list(map(in_bits, runs))
    draw_curves(options.out, runs, unit)
    out = Console(highlight=False)
    out.print(summary(runs, unit))
    for line in remarks(runs, unit):
        out.print(escape(line), soft_wrap=True)
    out.print(f"picture: {escape(str(options.out))}", soft_wrap=True)
    return 0


@dataclass(frozen=True)
class Run:
    """A run with metrics, under its name in a picture."""

    label: str
    rows: list[Metrics]
    bytes_per_token: float
    """Mean length of a validation token, to convert nats per token into bits per byte."""
    dataset: str = UNKNOWN
    """Its name or path. Unknown, like all that follows, until the run has saved a checkpoint."""
    text: str | None = None
    """The sha256 of the text."""
    tokenizer: str = UNKNOWN
    """Its kind."""
    floor: float | None = None
    """The best possible validation loss; None if unknown."""

    def losses(self) -> dict[int, float]:
        """Validation losses by step."""
        return {row.step: row.val_loss for row in self.rows if row.val_loss is not None}


def read_run(path: Path) -> Run:
    """Read a run's directory, which is its name in pictures.

    Raises:
        RunError: it holds no run, or one that has measured nothing yet, or its metrics are damaged.
        CheckpointError: its newest checkpoint is damaged.
    """
    directory = RunDirectory(path)
    rows = read_metrics(directory.metrics)
    if not rows:
        raise RunError(f"{path} is not a run: {directory.metrics} has no metrics or is not there")
    lengths = [
        row.val_loss / math.log(2) / row.bits_per_byte
        for row in rows
        if row.val_loss and row.bits_per_byte
    ]
    if not lengths:
        raise RunError(f"{directory.metrics} has no validation loss: there is nothing to compare")
    run = Run(escape_controls(str(path)), rows, lengths[-1])
    newest = newest_checkpoint(path)
    checkpoint = load_checkpoint(newest) if newest else None
    if checkpoint is None or checkpoint.training is None or checkpoint.tokenizer is None:
        return run
    record, tokenizer, floor = checkpoint.training, checkpoint.tokenizer, None
    if record.dataset == FLOOR_KNOWN:
        dataset = _load_once(FLOOR_KNOWN)
        if dataset.sha256 == record.dataset_sha256:
            floor = encode_dataset(dataset, tokenizer, checkpoint.config.block_size).floor
    text = record.dataset_sha256
    return replace(run, dataset=record.dataset, text=text, tokenizer=tokenizer.kind, floor=floor)


def in_bits(run: Run) -> Run:
    """The run with all its losses in bits per byte instead of nats per token."""

    def convert(loss: float | None) -> float | None:
        return None if loss is None else loss / (math.log(2) * run.bytes_per_token)

    rows = [
        replace(row, loss=convert(row.loss), val_loss=convert(row.val_loss)) for row in run.rows
    ]
    return replace(run, rows=rows, floor=convert(run.floor))


def draw_curves(path: Path, runs: Sequence[Run], unit: str) -> None:
    """Draw the runs, a colour each; those named first are wider, and can be seen under the others.

    Raises:
        RunError: the file cannot be written.
    """
    # Here: matplotlib takes half a second.
    from shared.runs import plots

    title = "thin: training, batch by batch; markers: the whole validation split"
    figure, axes = plots.loss_figure(f"loss ({unit})", title)
    floors: dict[float, str] = {}
    for i, (run, color, marker) in enumerate(zip(runs, cycle(COLORS), cycle(MARKERS))):
        wider = 3 * (1 - (i + 1) / len(runs))
        plots.draw_training(axes, run.rows, color=color, label=None)
        sizes = {"lw": 1.5 + wider, "ms": 4 + wider}
        plots.draw_validation(axes, run.rows, color=color, label=run.label, marker=marker, **sizes)
        if run.floor is not None:
            floors.setdefault(round(run.floor, 4), run.dataset)
    for floor, dataset in floors.items():
        plots.draw_floor(axes, floor, f"floor of {dataset}")
    plots.save_loss_figure(path, figure, axes)


def summary(runs: Sequence[Run], unit: str) -> Table:
    """The runs, one per row."""
    headings = "run", "dataset", "tokens", "steps", "last", "best", "at step", "over floor"
    table = table_of_numbers(*headings, words=3, title=f"Validation losses in {unit}")
    for run in runs:
        losses = run.losses()
        best = min(losses, key=losses.__getitem__)
        last = losses[max(losses)]
        above = "?" if run.floor is None else f"{last / run.floor - 1:.1%}"
        table.add_row(
            *(escape(escape_controls(text)) for text in (run.label, run.dataset, run.tokenizer)),
            *(f"{run.rows[-1].step:,}", f"{last:.4f}", f"{losses[best]:.4f}", f"{best:,}", above),
        )
    return table


def remarks(runs: Sequence[Run], unit: str) -> list[str]:
    """What to look at, and warnings."""
    lines = []
    if len({run.text for run in runs}) > 1:
        lines.append("Not all of these runs are of the same text: their losses are not comparable.")
    elif len(runs) > 1:
        lines += _distance(runs)
    if unit == BITS and any(run.tokenizer == "word" for run in runs):
        lines.append(
            "A word tokenizer's number flatters: to predict <unk> is easier than to predict the "
            "word that it stands for."
        )
    return lines


def _distance(runs: Sequence[Run]) -> list[str]:
    """How far apart the validation losses are at the steps that all runs evaluated."""
    losses = [run.losses() for run in runs]
    common = set.intersection(*map(set, losses))
    if not common:
        return ["No step was evaluated in all of these runs."]
    apart = {step: max(x[step] for x in losses) - min(x[step] for x in losses) for step in common}
    widest, last = max(apart, key=apart.__getitem__), max(common)
    return [
        f"Validation losses are at most {apart[widest]:.1e} apart, at step {widest:,}; "
        f"{apart[last]:.1e} at step {last:,}, the last that all have."
    ]


if __name__ == "__main__":
    sys.exit(main())
