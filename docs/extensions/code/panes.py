"""Code as HTML, coloured by Pygments, and three panes of it: side by side, or behind tabs. Without
JavaScript all three are shown; on a narrow screen, one below the other."""

import re
from collections.abc import Mapping, Sequence

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from docs.extensions.code.excerpts import Excerpt
from docs.extensions.directive import BACKENDS
from docs.extensions.template import ENVIRONMENT, fill

_COMMENT = re.compile(r'<span class="c1">.*?</span>')
_SHAPE, _MARKED = re.compile(r"\[[A-Z][^\]<]*\]"), r'<span class="shape">\g<0></span>'

HANGING = 4
"""The extra indent of a wrapped line, in characters."""

code_block = ENVIRONMENT.get_template("code/panes.html.jinja").module.block
"""code_block(lines, label): HTML in which the lines, elements themselves, are one block."""


def three_panes(
    panes: Mapping[str, tuple[str, str]], identifier: str, label: str, rows: int = 1
) -> str:
    """The panes and their tabs: for each backend, the file and line of its code, or "", and HTML.
    `rows` is their number, if the HTML gives the row of each of its parts."""
    about = {"identifier": identifier, "label": label, "rows": rows}
    return fill("code/three", panes=panes, backends=BACKENDS, **about)


def highlighted(excerpt: Excerpt) -> list[str]:
    return highlighted_lines([line.text for line in excerpt.lines])


def highlighted_lines(lines: Sequence[str]) -> list[str]:
    """Each line of Python as an element, in which every inner element is closed."""
    raw = highlight("\n".join(lines) + "\n", PythonLexer(stripnl=False), HtmlFormatter(nowrap=True))
    marked = _COMMENT.sub(lambda comment: _SHAPE.sub(_MARKED, comment[0]), raw)
    return [line_element(*pair) for pair in zip(lines, marked.splitlines(), strict=False)]


def line_element(source: str, coloured: str) -> str:
    """A line that may wrap (after brackets, if a word is long), with a hanging indent."""
    indent = len(source) - len(source.lstrip()) + HANGING
    long = max(map(len, source.split()), default=0) > 40
    inner = coloured.replace("(</span>", "(</span><wbr>" if long else "(</span>") or " "
    return f'<span class="line" style="--indent:{indent}ch">{inner}\n</span>'
