"""Where the time and memory of a training step go, in each backend."""

from dataclasses import asdict
from typing import Any

from matplotlib.figure import Figure

from docs.data import Drawing, Producer
from docs.producers.drawing import in_page_colors, to_svg
from lessons.alone import run_alone
from lessons.profile.measuring import PARTS, REST, measure
from shared.config import DEFAULT_PRESET
from shared.errors import BackendError

COLUMNS = ("numpy", "torch", "torch@compile", "jax")
COLORS = {
    **dict(zip(PARTS, ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377"), strict=False)),
    **{"loss": "#882255", "clip and update": "#ee6677", "compiled together": "#dd8833"},
    REST: "#aaaaaa",
}
"""Paul Tol's bright colours, which most colour-blind readers can tell apart."""


def profile_all() -> dict[str, Any]:
    """What `python -m lessons.profile` measures. Without a C++ compiler, three columns."""
    found = {}
    for name in COLUMNS:
        try:
            found[name] = asdict(run_alone(measure, name, DEFAULT_PRESET))
        except BackendError:
            if "@" not in name:
                raise
    return found


@in_page_colors
def draw(data: dict[str, Any]) -> Drawing:
    """A bar for each backend, divided into the parts of a GPT."""
    figure = Figure(figsize=(7.5, 4.0), layout="constrained")
    axes = figure.subplots()
    names = list(data)
    left = [0.0] * len(names)
    for part in (*PARTS, REST):
        widths = [1e3 * data[name]["parts"].get(part, 0.0) for name in names]
        axes.barh(names, widths, left=left, color=COLORS[part], label=part)
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
    return Drawing(to_svg(figure), f"Four bars of milliseconds, divided by parts. {' '.join(told)}")


PRODUCER = Producer("profile", "a training step taken apart, half a minute", profile_all, draw)
