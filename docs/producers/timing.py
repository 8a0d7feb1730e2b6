"""The time of a training step and of a token, compared with the matrix products alone."""

from dataclasses import asdict
from typing import Any

from audits.bench import Options
from audits.bench import measure as measure_backend
from docs.data import Drawing, Producer
from docs.producers.drawing import BACKEND_COLORS, INK, new_figure, to_svg
from lessons.alone import run_alone
from shared.config import DEFAULT_PRESET, GPTConfig, load_preset
from shared.protocol import BACKENDS

ROUNDS = 3
"""audits.bench has ten; fewer keep the build short."""
PRODUCTS = "#888888"


def measure() -> dict[str, Any]:
    """What `python -m audits.bench` measures, in fewer rounds.

    Raises:
        BackendError: a backend is not installed.
    """
    preset = load_preset(DEFAULT_PRESET)
    config = GPTConfig(**(preset.model | {"vocab_size": Options.vocab_size}))
    found = {
        name: run_alone(measure_backend, name, config, preset.train, ROUNDS) for name in BACKENDS
    }
    return {
        "preset": DEFAULT_PRESET,
        "tokens_per_step": preset.train.batch_size * config.block_size,
        "backends": {name: asdict(measurement) for name, measurement in found.items()},
    }


def draw(data: dict[str, Any]) -> Drawing:
    """Above products and steps, below the text."""
    names, backends = list(data["backends"]), list(data["backends"].values())
    colors = [BACKEND_COLORS[name] for name in names]
    places = range(len(names))
    figure = new_figure(7.5, 5.5)  # one above the other: a phone is narrow
    above, below = figure.subplots(2, 1, height_ratios=[3, 2])
    products = [1e3 * backend["products"] for backend in backends]
    steps = [1e3 * backend["step"] for backend in backends]
    trained = [data["tokens_per_step"] / backend["step"] for backend in backends]
    above.bar([i - 0.2 for i in places], products, 0.4, color=PRODUCTS, label="the products alone")
    bars = above.bar([i + 0.2 for i in places], steps, 0.4, color=colors, label="the whole step")
    multiples = [f"× {backend['multiple']:.2f}" for backend in backends]
    said = [f"{m}\n{speed:,.0f}/s" for m, speed in zip(multiples, trained, strict=True)]
    above.bar_label(bars, said, padding=2, color=INK, fontsize=9)
    above.set(ylabel="one training step (ms)", ylim=(0, 1.3 * max(steps)))
    written = [backend["decode_tokens_per_second"] for backend in backends]
    bars = below.bar(places, written, 0.6, color=colors)
    below.bar_label(bars, [f"{speed:,.0f}" for speed in written], padding=2, color=INK, fontsize=9)
    below.set(ylabel="tokens per second, writing", ylim=(0, 1.15 * max(written)))
    for axes in (above, below):
        axes.set_xticks(list(places), names)
        axes.spines[["top", "right"]].set_visible(False)
    told = [
        f"{name} takes {step:.1f} ms, of which the products alone would take {alone:.1f}: "
        f"{backend['multiple']:.2f} times as long, {speed:,.0f} tokens per second; it writes "
        f"{text:,.0f} tokens per second."
        for name, backend, step, alone, speed, text in zip(
            names, backends, steps, products, trained, written, strict=True
        )
    ]
    alt = (
        "Two groups of bars. Above, the time of a training step beside that of its matrix "
        f"products alone; below, how fast text is written. {' '.join(told)}"
    )
    return Drawing(to_svg(figure, PRODUCER.name), alt)


PRODUCER = Producer(
    name="timing",
    what="the time of a training step in the three backends",
    sources=(
        *("impls", "shared", "audits/bench.py", "audits/products.py", "lessons/alone.py"),
        *("constraints.txt", "docs/producers/timing.py", "docs/producers/drawing.py"),
    ),
    measure=measure,
    draw=draw,
)
