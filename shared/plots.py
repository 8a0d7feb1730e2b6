"""loss.png: a run at a glance."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from shared.files import explained, replacing
from shared.metrics import Metrics


def plot_losses(
    path: Path, rows: Sequence[Metrics], *, floor: float | None = None, title: str = ""
) -> None:
    """Draw training and validation loss over the steps, and the floor where it is known.

    A figure of its own, without pyplot: no window, no global state, safe wherever it is called.

    Args:
        path: the PNG file, replaced as a whole.
        rows: a run's metrics.
        floor: the best possible validation loss, in nats per token.
        title: what stands above.

    Raises:
        RunError: the file cannot be written.
    """
    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    train = [(row.step, row.loss) for row in rows if row.loss is not None]
    validation = [(row.step, row.val_loss) for row in rows if row.val_loss is not None]
    if train:
        axes.plot(*zip(*train, strict=True), color="tab:blue", alpha=0.5, lw=0.8, label="training")
    if validation:
        best = min(loss for _, loss in validation)
        axes.plot(
            *zip(*validation, strict=True),
            color="tab:orange",
            marker="o",
            markersize=4,
            label=f"validation (best {best:.4f})",
        )
    if floor is not None:
        axes.axhline(floor, color="tab:gray", ls="--", label=f"floor ({floor:.4f})")
    axes.set(xlabel="step", ylabel="loss (nats per token)")
    axes.set_title(title, parse_math=False)  # a file's name may have dollars in it
    axes.grid(alpha=0.3)
    if train or validation:
        axes.legend()
    with explained("write", path), replacing(path) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an empty box will do
        figure.savefig(partial, format="png")
