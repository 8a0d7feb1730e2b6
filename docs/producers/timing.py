"""The time of a training step and of a token, compared with the matrix products alone."""

from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from audits.bench import Options
from audits.bench import measure as measure_backend
from docs.data import Drawing, Producer
from docs.producers.drawing import BACKEND_COLORS, in_page_colors, to_svg
from lessons.alone import run_alone
from shared.config import DEFAULT_PRESET, GPTConfig, load_preset
from shared.protocol import BACKENDS

ROUNDS = 3
"""audits.bench has ten; fewer keep the build short."""
PRODUCTS = "#888888"


def measure() -> dict[str, Any]:
    """What `python -m audits.bench` measures, in fewer rounds."""
    preset = load_preset(DEFAULT_PRESET)
    config = GPTConfig(**(preset.model | {"vocab_size": Options.vocab_size}))
    found = {
        name: run_alone(measure_backend, name, config, preset.train, ROUNDS) for name in BACKENDS
    }
    return {
        "tokens_per_step": preset.train.batch_size * config.block_size,
        "backends": {name: asdict(measurement) for name, measurement in found.items()},
    }


@in_page_colors
def draw(data: dict[str, Any]) -> Drawing:
    """Above products and steps, below the text."""
    names, backends = list(data["backends"]), list(data["backends"].values())
    colors = [BACKEND_COLORS[name] for name in names]
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    # One above the other: a phone is narrow.
    above, below = figure.subplots(2, 1, height_ratios=[3, 2])
    products = [1e3 * backend["products"] for backend in backends]
    steps = [1e3 * backend["step"] for backend in backends]
    trained = [data["tokens_per_step"] / backend["step"] for backend in backends]
    written = [backend["decode_tokens_per_second"] for backend in backends]
    places = np.arange(len(names))
    above.bar(places - 0.2, products, 0.4, color=PRODUCTS, label="the products alone")
    bars = above.bar(places + 0.2, steps, 0.4, color=colors, label="the whole step")
    said = [f"× {b['multiple']:.2f}\n{t:,.0f}/s" for b, t in zip(backends, trained, strict=True)]
    above.bar_label(bars, said, padding=2, fontsize=9)
    above.set(ylabel="one training step (ms)", ylim=(0, 1.3 * max(steps)))
    bars = below.bar(places, written, 0.6, color=colors)
    below.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=9)
    below.set(ylabel="tokens per second, writing", ylim=(0, 1.15 * max(written)))
    for axes in (above, below):
        axes.set_xticks(places, names)
        axes.spines[["top", "right"]].set_visible(False)
    told = [
        f"{name} takes {steps[i]:.1f} ms, of which the products alone would take "
        f"{products[i]:.1f}: {backends[i]['multiple']:.2f} times as long, {trained[i]:,.0f} tokens "
        f"per second; it writes {written[i]:,.0f} tokens per second."
        for i, name in enumerate(names)
    ]
    alt = (
        "Two groups of bars. Above, the time of a training step beside that of its matrix "
        f"products alone; below, how fast text is written. {' '.join(told)}"
    )
    return Drawing(to_svg(figure), alt)


PRODUCER = Producer("timing", "the time of a training step in the three backends", measure, draw)
