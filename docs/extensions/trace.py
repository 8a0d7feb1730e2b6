"""`{trace} trace`: the architecture; docs/_static/trace.js shows the values in it."""

import html

from docs.data import Product
from docs.extensions.code.architecture import Architecture
from docs.extensions.code.highlighting import code_block, highlighted_lines
from docs.extensions.code.panes import pane_head
from docs.extensions.code.tap_lines import tap_lines
from docs.extensions.directive import BACKENDS
from docs.extensions.figures import Play
from shared.config import GPTConfig


class Trace(Play):
    """The numbers of the producer, a diagram of its model, and the code of every kind of value."""

    def place(self, product: Product) -> str:
        config = GPTConfig(**product.data["config"])
        taps = product.data["taps"]
        names = {tap: f"{tap}, [{', '.join(found['letters'])}]" for tap, found in taps.items()}
        kinds = dict.fromkeys(found["kind"] for found in taps.values())
        code = "".join(lines_of(kind) for kind in kinds)
        return (
            f'<div class="play trace wide" data-play="trace"><noscript><p class="missing">Here '
            f"each value could be looked at; that needs JavaScript.</p></noscript>"
            f'<div class="whole">{Architecture(config, names)}</div>'
            f'<div class="shown"><div class="about"></div>{code}</div></div>'
        )


def lines_of(kind: str) -> str:
    """The code that computes a value of this kind; hidden until the value is chosen."""
    parts = []
    for backend, name in BACKENDS.items():
        excerpt = tap_lines(backend, kind)
        lines = highlighted_lines([line.text for line in excerpt.lines])
        parts.append(
            f'<div class="pane backend-{backend}">{pane_head(name, excerpt.place, copy=False)}'
            f"{code_block(lines, f'{html.escape(kind)} in {excerpt.place}')}</div>"
        )
    return f'<div class="lines" data-kind="{kind}" hidden>{"".join(parts)}</div>'
