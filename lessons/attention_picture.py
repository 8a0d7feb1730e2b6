"""The picture of `lessons.attention`: a map for every layer and head."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.image import AxesImage

from shared.runs.plots import new_figure, save_figure

SCALE = PowerNorm(0.5, vmin=0, vmax=1)
"""Colours by the square root: in a long text all weights are small, but still differ."""
SIDE, SIDE_ALONE = 2.2, 6.0
"""Inches of a map, and of a single one."""
WIDEST = 40.0
"""Inches of all maps together; more maps are drawn smaller."""
NAMES, LETTERS = 7, 11
"""Token names per inch, and characters of a title per inch."""


def draw_attention(
    path: Path,
    weights: Float[np.ndarray, "L H T T"],
    tokens: list[str],
    layers: list[int],
    heads: list[int],
    title: str,
) -> None:
    """Draw a map for every layer (down) and head (across), all on one scale from 0 to 1.

    Args:
        path: the PNG file, replaced as a whole.
        weights: what each token (third axis) takes from each (fourth).
        tokens: the names of the T tokens.
        layers: the number of each layer, L of them.
        heads: the number of each head, H of them.
        title: the title; cut if it is too long.

    Raises:
        RunError: the file cannot be written.
    """
    rows, columns = weights.shape[:2]
    alone = rows == columns == 1
    side = SIDE_ALONE if alone else min(SIDE, WIDEST / max(rows, columns))
    width = columns * side + 1.6
    figure = new_figure(width, rows * side + 1.0)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for i, layer in enumerate(layers):
        for j, head in enumerate(heads):
            image = _draw_map(grid[i, j], weights[i, j])
            grid[i, j].set_title(f"layer {layer}, head {head}", fontsize=9)
    every = -(-len(tokens) // int(NAMES * side))  # as many names as there is room for
    places = list(range(0, len(tokens), every))
    names = [tokens[place] for place in places]
    # Words are longer than letters, and may have dollars in them.
    style = {"fontsize": 9 if alone else 7, "parse_math": False}
    upright = 90 if max(map(len, names)) > 2 else 0
    for axes in grid[-1]:
        axes.set_xticks(places, names, rotation=upright, **style)
    for axes in grid[:, 0]:
        axes.set_yticks(places, names, **style)
    figure.supxlabel("looks at", fontsize=9)
    figure.supylabel("token", fontsize=9)
    figure.colorbar(image, ax=grid, label="attention weight", shrink=0.8)
    most = int(LETTERS * width)
    figure.suptitle(
        title if len(title) <= most else f"{title[: most - 1]}…", fontsize=10, parse_math=False
    )
    save_figure(path, figure)


def _draw_map(axes: Axes, weights: Float[np.ndarray, "T T"]) -> AxesImage:
    """One map. The future has no colour, so that it does not look like a weight of 0."""
    future = np.triu(np.ones(weights.shape, bool), k=1)
    axes.tick_params(length=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    masked = np.ma.masked_array(weights, future)
    return axes.imshow(masked, norm=SCALE, interpolation="nearest")
