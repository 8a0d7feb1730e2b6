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


in_page_colors = matplotlib.rc_context(
    {
        **{"text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK},
        **{"xtick.color": INK, "ytick.color": INK},
        **{"figure.facecolor": "none", "axes.facecolor": "none", "legend.frameon": False},
        **{"svg.fonttype": "none", "svg.hashsalt": "docs"},
    }
)
"""Decorates functions that draw: words and axes in INK, and no background."""
XML = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def to_svg(figure: Figure) -> str:
    """The figure as an element for a page, which has no other."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # The page sets its width; the view box keeps its proportions.
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf"<svg \1 {XML}>", svg, count=1)
