"""Plots: loss.png, which shows a run at a glance, and what all plots have in common."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from shared.files import explained, replacing
from shared.runs.bands import Band
from shared.runs.metrics import Metrics

STYLES = (":", "-.", "--")  # of baselines


def plot_losses(
    path: Path,
    rows: Sequence[Metrics],
    *,
    baselines: Mapping[str, float] | None = None,
    title: str = "",
    band: Band | None = None,
) -> None:
    """Draw training and validation loss over the steps, the losses of `baselines` by name, and the
    band of other seeds if it was measured. The PNG file is replaced as a whole. Raises `RunError`
    if it cannot be written."""
    figure, axes = loss_figure("loss (nats per token)", title)
    trained = [(row.step, row.loss) for row in rows if row.loss is not None]
    if trained:  # the loss of every step's batch: thin, because it is noisy
        axes.plot(*zip(*trained, strict=True), c="tab:blue", alpha=0.5, lw=0.8, label="training")
    validated = [(row.step, row.val_loss) for row in rows if row.val_loss is not None]
    if validated:
        label = f"validation (best {min(loss for _, loss in validated):.4f})"
        axes.plot(*zip(*validated, strict=True), "o-", color="tab:orange", label=label, ms=4)
    for (name, loss), style in zip((baselines or {}).items(), cycle(STYLES)):
        draw_baseline(axes, loss, name, style)
    if band is not None:
        draw_band(axes, band)
    save_loss_figure(path, figure, axes)


def new_figure(width: float, height: float) -> Figure:
    """A figure, sized in inches, without pyplot: no window, no global state."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(path: Path, figure: Figure) -> None:
    """Write a PNG, completely or not at all. Raises `RunError` if it cannot be written."""
    with explained("write", path), replacing(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an empty box will do
        figure.savefig(file, format="png")


def loss_figure(ylabel: str, title: str) -> tuple[Figure, Axes]:
    figure = new_figure(8, 5)
    axes = figure.add_subplot()
    axes.set(xlabel="step", ylabel=ylabel)
    axes.set_title(title, parse_math=False)  # a file name may contain dollar signs
    axes.grid(alpha=0.3)
    return figure, axes


def draw_baseline(axes: Axes, loss: float, name: str, style: str = "--") -> None:
    """Draw a line at a loss to compare with."""
    axes.axhline(loss, color="tab:gray", ls=style, label=f"{name} ({loss:.4f})")


def draw_band(axes: Axes, band: Band, name: str = "validation", scale: float = 1.0) -> None:
    """Shade the validation losses to expect; `scale` converts them from nats per token."""
    steps = sorted(band.val_losses)
    low, high = scale * np.transpose([band.at(step) for step in steps])
    label = f"{name}, {band.seeds} seeds"
    axes.fill_between(steps, low, high, color="tab:orange", alpha=0.3, lw=1, label=label)


def save_loss_figure(path: Path, figure: Figure, axes: Axes) -> None:
    """Add the legend and write the plot. Raises `RunError` if it cannot be written."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        for text in axes.legend(handles, labels).get_texts():
            text.set_parse_math(False)
    save_figure(path, figure)
