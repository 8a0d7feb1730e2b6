"""Equations as MathML, which browsers render without a script, in a font served with the site.

The font is the subset of STIX Two Math (Open Font License) that equations use: without a font for
mathematics, brackets do not grow and roots do not fit.
"""

import logging as python_logging
import xml.etree.ElementTree as ET
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from docutils import nodes
from fontTools import subset
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

FONT = "STIXTwoMath.woff"
MATHML = "{http://www.w3.org/1998/Math/MathML}"

CHARACTERS = (
    range(0x20, 0x7F),
    range(0xA0, 0x100),
    range(0x302, 0x305),  # hats and bars
    range(0x391, 0x3D7),  # Greek
    range(0x2010, 0x2040),
    range(0x210E, 0x210F),  # italic h, which has its own block in Unicode
    range(0x2190, 0x21A0),  # arrows
    range(0x2200, 0x2300),  # operators
    range(0x239B, 0x23B2),  # pieces of tall brackets
    range(0x27E8, 0x27EA),
    range(0x1D434, 0x1D468),  # italic letters
    range(0x1D6E2, 0x1D71C),  # italic Greek
)


class MathError(ValueError):
    """An equation that cannot be converted."""


def to_mathml(latex: str, *, block: bool) -> str:
    """An equation as MathML.

    Raises:
        MathError: it uses a command or an environment that the converter does not know and would
            print as text.
    """
    text = (
        f"\\begin{{align*}}{latex}\\end{{align*}}" if "&=" in latex and "\\" * 2 in latex else latex
    )
    try:
        mathml = convert(text, display="block" if block else "inline")
        tree = ET.fromstring(mathml)
    except Exception as error:  # the converter documents no exceptions
        raise MathError(f"{type(error).__name__}: {error}") from error
    for part in tree.iter():
        if part.text and "\\" in part.text:
            raise MathError(f"{part.text} is unknown")
    return mathml.replace("<math ", f'<math data-latex="{_attribute(latex)}" ', 1)


def _attribute(text: str) -> str:
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    _write(self, node, block=False)


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append('<div class="math">')
    _write(self, node, block=True)


def _write(self: HTML5Translator, node: nodes.Element, *, block: bool) -> None:
    try:
        self.body.append(to_mathml(node.astext(), block=block))
    except MathError as error:
        logger.error("equation %r: %s", node.astext(), error, location=node)
    if block:
        self.body.append("</div>")
    raise nodes.SkipNode


@cache
def font() -> bytes:
    """STIX Two Math reduced to CHARACTERS, as a WOFF file."""
    python_logging.getLogger("fontTools").setLevel(python_logging.WARNING)  # it logs a lot
    options = subset.Options(layout_features=["*"], notdef_outline=True, flavor="woff")
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for some in CHARACTERS for code in some])
    spec = find_spec("ziamath")  # located, not imported: only its font is needed
    assert spec is not None
    assert spec.submodule_search_locations
    file = Path(spec.submodule_search_locations[0]) / "fonts" / "STIXTwoMath-Regular.ttf"
    written = BytesIO()
    with subset.load_font(file, options) as whole:
        subsetter.subset(whole)
        subset.save_font(whole, written, options)
    return written.getvalue()


def write_font(app: Sphinx, error: Exception | None) -> None:
    """Put the font beside the pages. Called by Sphinx when they are written."""
    if error is None:
        (Path(app.outdir) / "_static" / FONT).write_bytes(font())


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("build-finished", write_font)
