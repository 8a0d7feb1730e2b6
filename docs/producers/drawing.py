"""Pictures embedded in a page, in its colours, light or dark."""

import io
import re

import matplotlib
from matplotlib.figure import Figure

INK = "#010203"
"""Placeholder for the page's text colour while matplotlib draws."""

BACKEND_COLORS = {"numpy": "#3b7dd8", "torch": "#d9622b", "jax": "#2a9d6e"}
"""As in docs/_static/site.css; readable on white and on black."""
BACKEND_STYLES = {"numpy": (3.5, "-"), "torch": (2.0, "--"), "jax": (1.0, "-")}
"""Width and dash, so that overlapping curves are visible and differ not only in colour."""


def new_figure(width: float, height: float) -> Figure:
    """A figure of this many inches without a background. Draw its words and axes in INK."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    return figure


def ink(figure: Figure) -> None:
    """Give axes, ticks, labels and legends the colour of the page's text."""
    for axes in figure.axes:
        axes.set_facecolor("none")
        axes.tick_params(colors=INK, which="both")
        axes.title.set_color(INK)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
        for spine in axes.spines.values():
            spine.set_color(INK)
        if legend := axes.get_legend():
            legend.get_frame().set(facecolor="none", edgecolor="none")
            for text in legend.get_texts():
                text.set_color(INK)


def to_svg(figure: Figure, name: str) -> str:
    """The figure as an element for a page. `name` keeps its ids apart from other figures'."""
    ink(figure)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'id="((?:figure|axes|text|line2d|patch|matplotlib|xtick|ytick|legend)[\w.]*)"',
        rf'id="{name}-\1"',
        svg,
    )
    # The page sets its width; the view box keeps its proportions.
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf"<svg \1 {XML}>", svg, count=1)


XML = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
