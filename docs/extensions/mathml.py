"""Equations as MathML, which browsers render without a script, in a font served with the site. The
font is the subset of STIX Two Math (Open Font License) that equations use: without a font for
mathematics, brackets do not grow and roots do not fit."""

import re
from importlib.metadata import distribution
from pathlib import Path

from docutils import nodes
from fontTools import subset
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
subset.log.setLevel("WARNING")  # furo's styles, when imported, let every logger talk

FONT = "STIXTwoMath.woff"

CHARACTERS = (
    "20-7e,a0-ff,302-304,"  # hats and bars
    "391-3d6,"  # Greek
    "2010-203f,"
    "210e,"  # italic h, which has its own block in Unicode
    "2190-219f,"  # arrows
    "2200-22ff,"  # operators
    "239b-23b1,"  # pieces of tall brackets
    "27e8-27e9,"
    "1d434-1d467,"  # italic letters
    "1d6e2-1d71b"  # italic Greek
)


def visit(self: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Writes an equation. Called by Sphinx."""
    block, latex, mathml = isinstance(node, nodes.math_block), node.astext(), ""
    if "&=" in latex and r"\\" in latex:
        latex = rf"\begin{{align*}}{latex}\end{{align*}}"
    try:
        mathml = convert(latex, display="block" if block else "inline")
        # The converter prints a command or an environment that it does not know as text.
        if unknown := re.search(r"[^<>]*\\[^<>]*(?=<)", mathml):
            raise ValueError(f"{unknown[0]} is unknown")
    except Exception as error:  # the converter documents none
        logger.error("equation %r: %r", latex, error, location=node)
    self.body.append(f'<div class="math">{mathml}</div>' if block else mathml)
    raise nodes.SkipNode


def write_font(app: Sphinx, error: Exception | None) -> None:
    """Put STIX Two Math, reduced to CHARACTERS, beside the pages. Called when they are written."""
    if error is None:
        # Located, not imported: importing takes a second, and only the font is needed.
        whole = distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf")
        options = subset.Options(layout_features=["*"], notdef_outline=True, flavor="woff")
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=subset.parse_unicodes(CHARACTERS))
        with subset.load_font(str(whole), options) as font:
            subsetter.subset(font)
            subset.save_font(font, str(Path(app.outdir) / "_static" / FONT), options)


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (visit, None), (visit, None))
    app.connect("build-finished", write_font)
