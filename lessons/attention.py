"""Where every head of a model looks: python -m lessons.attention --prompt "To be, or not"

Runs the prompt through a trained model, and draws the attention weights, softmax(q·kᵀ / √D), of
every layer and head into one picture. Row t of a map shows how much the token at t reads from each
column s: its weights sum to 1. Above the diagonal is the future, which stays empty.
"""

import sys
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from jaxtyping import Float, Int
from rich.console import Console
from rich.markup import escape
from tyro.conf import arg

from conformance.limits import limit_of
from lessons.command import ModelOptions, build_model, command
from shared.checkpoints.checkpoint import Checkpoint
from shared.commands.next_tokens import SPACE, show_token
from shared.commands.options import default_run
from shared.commands.sample import encode_prompt
from shared.commands.terminal import escape_controls
from shared.commands.trained import load_trained
from shared.protocol import BACKENDS

ALL = "all"
Ids = Int[np.ndarray, " T"]
Maps = Float[np.ndarray, "L H T T"]
"""Attention weights by layer, head, the token that looks, and the token it looks at."""

SIDE = 2.2
"""Inches of a map."""
WIDEST = 40.0
"""Inches of all maps together; more maps are drawn smaller."""
NAMES, LETTERS = 7, 11
"""Token names per inch, and characters of a title per inch."""


@dataclass(frozen=True)
class Options(ModelOptions):
    prompt: str = tyro.MISSING
    """The text. The model sees its last block_size tokens."""
    backend: Annotated[str, arg(metavar="|".join((*BACKENDS, ALL, "MODULE")))] = "torch"
    """The backend to compute with. all: all three, and their difference. Default run: torch's."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("attention.png")
    """The picture, a PNG."""


@command
def main(options: Options) -> int:
    first = "torch" if options.backend == ALL else options.backend
    run = options.run or default_run(first)
    checkpoint, tokenizer = load_trained(first, run)
    config = checkpoint.config
    ids = encode_prompt(tokenizer, options.prompt, config.block_size)[-config.block_size :]
    dtype = options.dtype or checkpoint.dtype
    names = BACKENDS if options.backend == ALL else (options.backend,)
    maps = {name: attention_maps(replace(options, backend=name), checkpoint, ids) for name in names}
    tokens = [show_token(tokenizer, token) for token in ids]
    weights = next(iter(maps.values()))
    step = f", step {checkpoint.training.step:,}" if checkpoint.training else ""
    title = escape_controls(f"{run}{step}: {''.join(tokens).replace(SPACE, ' ')}")
    draw_attention(options.out, weights, tokens, title)
    out = Console(highlight=False)
    for line in (*lesson(weights), *agreement(maps, dtype)):
        out.print(line, soft_wrap=True)
    out.print(f"picture: {escape(str(options.out))}", soft_wrap=True)
    return 0


def attention_maps(options: ModelOptions, checkpoint: Checkpoint, ids: Ids) -> Maps:
    """The attention weights of every layer and head on one text. Raises as `build_model` does."""
    trace = build_model(options, checkpoint).trace(ids[None])
    return np.stack([trace[f"h.{i}.attn.weights"][0] for i in range(checkpoint.config.n_layer)])


def draw_attention(path: Path, weights: Maps, tokens: list[str], title: str) -> None:
    """Draw a map for every layer (down) and head (across), all on one scale from 0 to 1. The PNG
    file is replaced as a whole. `tokens` are the names of the T tokens; a title that is too long is
    cut. Raises `RunError` if the file cannot be written."""
    # Here: matplotlib takes half a second.
    from matplotlib.colors import PowerNorm

    from shared.runs import plots

    rows, columns = weights.shape[:2]
    side = min(SIDE, WIDEST / max(rows, columns))
    width = columns * side + 1.6
    figure = plots.new_figure(width, rows * side + 1.0)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    # By the square root: in a long text all weights are small, but still differ.
    scale = PowerNorm(0.5, vmin=0, vmax=1)
    # The future has no colour, so that it does not look like a weight of 0.
    future = np.triu(np.ones(weights.shape, bool), k=1)
    shown = np.ma.masked_array(weights, future)
    for (i, j), axes in np.ndenumerate(grid):
        axes.tick_params(length=2)
        axes.spines[:].set_visible(False)
        image = axes.imshow(shown[i, j], norm=scale, interpolation="nearest")
        axes.set_title(f"layer {i}, head {j}", fontsize=9)
    every = -(-len(tokens) // int(NAMES * side))  # as many names as there is room for
    places = list(range(0, len(tokens), every))
    names = [tokens[place] for place in places]
    # Words are longer than letters, and may have dollars in them.
    style = {"fontsize": 7, "parse_math": False}
    upright = 90 if max(map(len, names)) > 2 else 0
    for axes in grid[-1]:
        axes.set_xticks(places, names, rotation=upright, **style)
    for axes in grid[:, 0]:
        axes.set_yticks(places, names, **style)
    figure.supxlabel("looks at", fontsize=9)
    figure.supylabel("token", fontsize=9)
    figure.colorbar(image, ax=grid, label="attention weight", shrink=0.8)
    most = int(LETTERS * width)
    cut = title if len(title) <= most else f"{title[: most - 1]}…"
    figure.suptitle(cut, fontsize=10, parse_math=False)
    plots.save_figure(path, figure)


def lesson(weights: Maps) -> list[str]:
    """What to look at, and the heads with the clearest habits."""
    lines = [
        "Row: the token that looks. Column: the token it looks at. Each row sums to 1; the future "
        "is empty."
    ]
    T = weights.shape[-1]
    if T < 3:
        return [*lines, "With three tokens or more there would be habits to look for."]
    lines.append("The heads with the clearest habits, and how much of a row goes there:")
    # Not of row 0, which can only look at itself.
    habits = {
        "at the token before": np.diagonal(weights, -1, axis1=-2, axis2=-1),
        "at the token itself": np.diagonal(weights, axis1=-2, axis2=-1)[..., 1:],
        "at the first token": weights[..., 1:, 0],
    }
    by_chance = (1 / np.arange(2, T + 1)).mean()
    for habit, shares in habits.items():
        share = shares.mean(-1)
        i, j = np.unravel_index(share.argmax(), share.shape)
        lines.append(f"  {habit:20} layer {i}, head {j}: {share[i, j]:.2f}")
    return [*lines, f"  (a head that looks at all tokens alike: {by_chance:.2f})"]


def agreement(maps: dict[str, Maps], dtype: str) -> list[str]:
    """How far apart the backends are, and whether that is rounding; nothing if there is only one.
    The largest weight is 1 (a first token sees only itself), so a difference is also a relative
    one, comparable with the conformance suite's limit."""
    if len(maps) == 1:
        return []
    apart = {(a, b): float(np.abs(maps[a] - maps[b]).max()) for a, b in combinations(maps, 2)}
    (a, b), largest = max(apart.items(), key=lambda pair: (np.isnan(pair[1]), pair[1]))
    limit = limit_of("taps", dtype)
    verdict = (
        "rounding, and no more"
        if largest <= limit
        else "MORE than rounding; `nox -s conformance` says where it begins"
    )
    return [
        f"Computed by {', '.join(maps)}: the largest difference between two weights is "
        f"{largest:.1e} ({a} and {b}).",
        f"That is {verdict}: the limit for {dtype} is {limit:.0e}.",
    ]


if __name__ == "__main__":
    sys.exit(main())
