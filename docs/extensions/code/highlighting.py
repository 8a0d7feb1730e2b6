"""Code as HTML, line by line: coloured by Pygments, with the shapes in comments marked."""

import html
import re
from collections.abc import Iterable, Sequence

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

_COMMENT = re.compile(r'<span class="c1">.*?</span>')
_SHAPE, _MARKED = re.compile(r"\[[A-Z][^\]<]*\]"), r'<span class="shape">\g<0></span>'

HANGING = 4
"""The extra indent of a wrapped line, in characters."""


def highlighted_lines(lines: Sequence[str]) -> list[str]:
    """Each line of Python as an element: all that is in it is closed on its line."""
    lexer = PythonLexer(stripnl=False)
    text = highlight("\n".join(lines) + "\n", lexer, HtmlFormatter(nowrap=True))
    marked = _COMMENT.sub(lambda comment: _SHAPE.sub(_MARKED, comment[0]), text)
    return [line_element(*pair) for pair in zip(lines, marked.splitlines(), strict=False)]


def line_element(source: str, coloured: str) -> str:
    """A line that may wrap, with a hanging indent."""
    indent = len(source) - len(source.lstrip()) + HANGING
    return f'<span class="line" style="--indent:{indent}ch">{coloured or " "}\n</span>'


def code_block(units: Iterable[str], label: str) -> str:
    """A block that can be reached with the keyboard. `units` are elements of lines."""
    return (
        f'<div class="highlight"><pre tabindex="0" role="group" '
        f'aria-label="{html.escape(label)}">{"".join(units)}</pre></div>'
    )
