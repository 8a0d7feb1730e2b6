"""Training curves of several runs in one plot: python -m lessons.curves runs/numpy runs/torch

The thin lines are losses of single batches, and noisy; the markers are losses on the whole
validation split. Dashed: the floor, the best possible loss, if it is known for the dataset. Runs
with tokens of different lengths are drawn in bits per byte, because their losses per token are not
comparable.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional, arg

from lessons.command import command
from lessons.runs import Run, read_run
from shared.commands.options import UsageError
from shared.commands.terminal import escape_controls, say

NATS, BITS = "nats per token", "bits per byte"
COLORS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown", "tab:cyan")
MARKERS = ("o", "s", "^", "D", "v")


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
    bits = not equally_long_tokens(runs)
    if bits:
        say(
            "note: a token of one run is longer than one of another, so nats per token cannot be "
            "compared; these are bits per byte"
        )
    draw_curves(options.out, runs, bits=bits)
    out = Console(highlight=False)
    out.print(summary(runs, bits=bits))
    for line in remarks(runs, bits=bits):
        out.print(escape(line), soft_wrap=True)
    out.print(f"picture: {escape(str(options.out))}", soft_wrap=True)
    return 0


def equally_long_tokens(runs: Sequence[Run]) -> bool:
    """Whether tokens have the same length in every run, so that nats per token are comparable."""
    lengths = [run.bytes_per_token for run in runs]
    return max(lengths) - min(lengths) < 1e-6 * min(lengths)


def draw_curves(path: Path, runs: Sequence[Run], *, bits: bool) -> None:
    """Draw the runs, a colour each; those named first are wider, and can be seen under the others.

    Raises:
        RunError: the file cannot be written.
    """
    # Here: matplotlib takes half a second.
    from shared.runs import plots

    title = "thin: training, batch by batch; markers: the whole validation split"
    figure, axes = plots.loss_figure(f"loss ({BITS if bits else NATS})", title)
    floors: dict[float, str] = {}
    for i, (run, color, marker) in enumerate(zip(runs, cycle(COLORS), cycle(MARKERS))):
        scale, wider = run.scale(bits=bits), 3 * (1 - (i + 1) / len(runs))
        plots.draw_training(axes, run.rows, color=color, label=None, scale=scale)
        plots.draw_validation(
            axes,
            run.rows,
            color=color,
            label=run.label,
            scale=scale,
            marker=marker,
            lw=1.5 + wider,
            ms=4 + wider,
        )
        if run.floor is not None:
            floors.setdefault(round(scale * run.floor, 4), run.dataset)
    for floor, dataset in floors.items():
        plots.draw_floor(axes, floor, f"floor of {dataset}")
    plots.save_loss_figure(path, figure, axes)


def summary(runs: Sequence[Run], *, bits: bool) -> Table:
    """The runs, one per row."""
    table = Table(title=f"Validation losses in {BITS if bits else NATS}")
    table.add_column("run", overflow="fold")
    table.add_column("dataset", overflow="fold")
    table.add_column("tokens")
    for heading in ("steps", "last", "best", "at step", "over floor"):
        table.add_column(heading, justify="right")
    for run in runs:
        losses = run.losses(bits=bits)
        best = min(losses, key=losses.__getitem__)
        last = losses[max(losses)]
        above = "?" if run.floor is None else f"{last / (run.scale(bits=bits) * run.floor) - 1:.1%}"
        table.add_row(
            *(escape(escape_controls(text)) for text in (run.label, run.dataset, run.tokenizer)),
            *(f"{run.rows[-1].step:,}", f"{last:.4f}", f"{losses[best]:.4f}", f"{best:,}", above),
        )
    return table


def remarks(runs: Sequence[Run], *, bits: bool) -> list[str]:
    """What to look at, and warnings."""
    lines = []
    if len({run.text for run in runs}) > 1:
        lines.append("Not all of these runs are of the same text: their losses are not comparable.")
    elif len(runs) > 1:
        lines += _distance(runs, bits=bits)
    if bits and any(run.tokenizer == "word" for run in runs):
        lines.append(
            "A word tokenizer's number flatters: to predict <unk> is easier than to predict the "
            "word that it stands for."
        )
    return lines


def _distance(runs: Sequence[Run], *, bits: bool) -> list[str]:
    """How far apart the validation losses are at the steps that all runs evaluated."""
    losses = [run.losses(bits=bits) for run in runs]
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
