"""Code as HTML, coloured by Pygments, and three panes of it: side by side, or behind tabs. Without
JavaScript all three are shown; on a narrow screen, one below the other."""

import html
import re
from collections.abc import Iterable, Mapping, Sequence

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from docs.extensions.directive import BACKENDS
from docs.extensions.template import fill

_COMMENT = re.compile(r'<span class="c1">.*?</span>')
_SHAPE, _MARKED = re.compile(r"\[[A-Z][^\]<]*\]"), r'<span class="shape">\g<0></span>'

HANGING = 4
"""The extra indent of a wrapped line, in characters."""


def three_panes(
    panes: Mapping[str, tuple[str, str]], identifier: str, label: str, rows: int = 1
) -> str:
    """The panes and their tabs: for each backend, the file and line of its code, or "", and HTML.
    `rows` is their number, if the HTML gives the row of each of its parts."""
    about = {"identifier": identifier, "label": label, "rows": rows}
    return fill("code/three", panes=panes, backends=BACKENDS, head=pane_head, **about)


def pane_head(title: str, place: str, *, copy: bool = True) -> str:
    """Whose code it is, its place (if it has one), and a button that copies it."""
    wrapping = html.escape(place).replace("/", "/<wbr>")  # a path may wrap after its slashes
    where = f'<code class="place">{wrapping}</code>' if place else ""
    button = '<button type="button" class="copy" hidden>copy</button>' if copy else ""
    return (
        f'<div class="pane-head"><span class="backend">{html.escape(title)}</span>'
        f"{where}{button}</div>"
    )


def highlighted_lines(lines: Sequence[str]) -> list[str]:
    """Each line of Python as an element, in which every inner element is closed."""
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
