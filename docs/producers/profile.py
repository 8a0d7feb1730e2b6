"""Where the time and memory of a training step go, in each backend."""

from dataclasses import asdict
from typing import Any

from matplotlib.figure import Figure

from docs.data import Drawing, Producer
from docs.producers.drawing import in_page_colors, to_svg
from lessons.profile.measuring import PARTS, REST, profile_all
from shared.config import DEFAULT_PRESET

COLORS = (
    *("#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377", "#882255", "#ee6677", "#dd8833"),
    "#aaaaaa",
)
"""Of the parts and the rest: mostly Paul Tol's, which most colour-blind readers can distinguish."""


def profile_step() -> dict[str, Any]:
    return {name: asdict(profile) for name, profile in profile_all(DEFAULT_PRESET).items()}


@in_page_colors
def draw(data: dict[str, Any]) -> Drawing:
    """Draw a bar for each backend, divided into the parts of a GPT."""
    figure = Figure(figsize=(7.5, 4.0), layout="constrained")
    axes = figure.subplots()
    names = list(data)
    left = [0.0] * len(names)
    for part, color in zip((*PARTS, REST), COLORS, strict=True):
        widths = [1e3 * data[name]["parts"].get(part, 0.0) for name in names]
        axes.barh(names, widths, left=left, color=color, label=part)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds of a training step")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3)
    told = []
    for name in names:
        parts = sorted(data[name]["parts"].items(), key=lambda item: -item[1])
        said = ", ".join(f"{part} {1e3 * seconds:.1f}" for part, seconds in parts if seconds > 0)
        told.append(f"{name}: {said}; {data[name]['activations'] / 2**20:.0f} MiB of activations.")
    return Drawing(to_svg(figure), f"Bars of milliseconds, divided by parts. {' '.join(told)}")


PRODUCER = Producer("profile", "a training step taken apart, half a minute", profile_step, draw)
