"""Training curves of several runs in one plot: python -m lessons.curves runs/numpy runs/torch

Losses on the whole validation split, in bits per byte, which can be compared whatever the tokenizer
is. Dashed: the floor, the best possible loss, if it is known for the dataset. Shaded: the losses of
twenty seeds, if they were measured for the recipe of a run.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from tyro.conf import Positional, arg

from lessons.command import command
from lessons.printing import table_of_numbers
from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.options import UsageError
from shared.commands.terminal import escape_controls
from shared.errors import RunError
from shared.runs.bands import Band, find_band
from shared.runs.directory import RunDirectory
from shared.runs.metrics import read_metrics
from shared.text.datasets import load_dataset

UNKNOWN = "?"
FLOOR_KNOWN = "playlets"
"""The dataset whose true probabilities are known."""


@dataclass(frozen=True)
class Options:
    runs: Positional[tuple[Annotated[Path, arg(metavar="DIR")], ...]] = ()
    """Directories of runs, each with its metrics.jsonl."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("curves.png")
    """The picture, a PNG."""


@dataclass(frozen=True)
class Run:
    label: str
    losses: dict[int, float]
    """Validation losses in bits per byte, by step."""
    dataset: str = UNKNOWN
    """Its name or path. Unknown, like all that follows, until the run has saved a checkpoint."""
    text: str | None = None
    """The sha256 of the text."""
    tokenizer: str = UNKNOWN
    """Its kind."""
    band: Band | None = None
    """The losses of other seeds."""
    scale: float = 1.0
    """Bits per byte in a nat per token."""


@command
def main(options: Options) -> int:
    if not options.runs:
        raise UsageError(
            "name the runs to draw, such as: python -m lessons.curves runs/numpy runs/torch"
        )
    runs = [read_run(path) for path in options.runs]
    draw_curves(options.out, runs)
    headings = "run", "dataset", "tokens", "steps", "last", "best", "at step"
    table = table_of_numbers(*headings, words=3, title="Validation losses in bits per byte")
    for run in runs:
        last, best = max(run.losses), min(run.losses, key=run.losses.__getitem__)
        words = (escape(escape_controls(text)) for text in (run.label, run.dataset, run.tokenizer))
        losses = f"{run.losses[last]:.4f}", f"{run.losses[best]:.4f}"
        table.add_row(*words, f"{last:,}", *losses, f"{best:,}")
    out = Console(highlight=False)
    out.print(table)
    if len({run.text for run in runs}) > 1:
        out.print("Not all of these runs are of the same text: their losses are not comparable.")
    if any(run.tokenizer == "word" for run in runs):
        out.print("The loss of words flatters: <unk> is easier to predict than what it stands for.")
    out.print(f"picture: {escape(str(options.out))}", soft_wrap=True)
    return 0


def read_run(path: Path) -> Run:
    """Read a run's directory, which is its name in pictures. Raises `RunError` if it holds no run,
    or one that has measured nothing yet, and `UserError` for any damage."""
    metrics = RunDirectory(path).metrics
    rows = read_metrics(metrics)
    if not rows:
        raise RunError(f"{path} is not a run: {metrics} has no metrics or is not there")
    losses = {row.step: row.bits_per_byte for row in rows if row.bits_per_byte is not None}
    if not losses:
        raise RunError(f"{metrics} has no validation loss: there is nothing to compare")
    label, newest = escape_controls(str(path)), newest_checkpoint(path)
    checkpoint = load_checkpoint(newest) if newest else None
    if checkpoint is None or checkpoint.training is None:
        return Run(label, losses)
    record = checkpoint.training
    band = find_band(checkpoint.config, record)
    both = ((row.bits_per_byte, row.val_loss) for row in rows)
    scale = next((bits / nats for bits, nats in both if bits and nats), 1.0)
    return Run(label, losses, record.dataset, record.dataset_sha256, record.tokenizer, band, scale)


def draw_curves(path: Path, runs: Sequence[Run]) -> None:
    """Draw the runs, a colour each; those named first are wider, and can be seen under the others.
    Raises `RunError` if the file cannot be written."""
    # Here: matplotlib takes half a second.
    from shared.runs import plots

    figure, axes = plots.loss_figure("loss (bits per byte)", "losses on the validation split")
    for i, (run, marker) in enumerate(zip(runs, cycle("os^Dv"))):
        wider = 3 * (1 - (i + 1) / len(runs))
        steps, losses = list(run.losses), list(run.losses.values())
        label = f"{run.label} (best {min(losses):.4f})"
        axes.plot(steps, losses, marker=marker, lw=1.5 + wider, ms=4 + wider, label=label)
    bands: list[Band] = []
    for run in runs:
        if run.band and run.band not in bands:
            bands.append(run.band)
            plots.draw_band(axes, run.band, f"{run.band.preset} on {run.band.dataset}", run.scale)
    dataset = load_dataset(FLOOR_KNOWN) if any(r.dataset == FLOOR_KNOWN for r in runs) else None
    if dataset and dataset.floor_nats and dataset.sha256 in {run.text for run in runs}:
        size = len(dataset.parts[1].encode())
        floor = dataset.floor_nats / math.log(2) / size
        plots.draw_baseline(axes, floor, f"floor of {FLOOR_KNOWN}")
    plots.save_loss_figure(path, figure, axes)


if __name__ == "__main__":
    sys.exit(main())
