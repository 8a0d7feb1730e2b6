"""`{run-figure} NAME`, `{play} NAME`: what a producer of docs/producers measured. `{play}` is an
interactive figure: docs/_static/NAME.js fills it, after play.js, with the numbers. Without
JavaScript, it shows a note."""

import html
import json
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from docs.data import Product
from docs.extensions.directive import PageError, SiteDirective, raw
from docs.producers import PRODUCERS

ALWAYS = ("gpt", "model", "play", "live")
"""The scripts that all interactive figures need. The build writes model.js."""
AFTER_ALL_PAGES = 850
"""Sphinx's load order; the scripts of every page have 800."""


class FromRun(SiteDirective):
    def shown(self) -> list[nodes.Node]:
        producer = PRODUCERS.get(self.argument)
        if producer is None:
            known = ", ".join(PRODUCERS)
            raise PageError(f"there is no producer {self.argument!r}; there are: {known}")
        product, notes = self.product(producer)
        return [*notes, *self.of_product(product)] if product else notes

    def of_product(self, product: Product) -> list[nodes.Node]:
        raise NotImplementedError


class RunFigure(FromRun):
    """The picture of a run, with its alternative text. The content is its caption."""

    def of_product(self, product: Product) -> list[nodes.Node]:
        if product.svg is None:
            raise PageError(f"{self.argument} draws nothing")
        figure = nodes.container(classes=["run-figure"])
        alt = html.escape(product.alt)
        figure += raw(f'<div class="picture" role="img" aria-label="{alt}">{product.svg}</div>')
        figure += self.parsed(self.content)
        return [figure]


class Play(FromRun):
    """An empty element and its numbers: <script type="application/json" id="…">, embedded because
    a page opened from disk may not load files."""

    def of_product(self, product: Product) -> list[nodes.Node]:
        # Only "</" can end a script element early.
        text = json.dumps(product.data, separators=(",", ":")).replace("</", "<\\/")
        data = f'<script type="application/json" id="data-{self.argument}">{text}</script>'
        return [raw(data), raw(self.place(product), self.argument)]

    def place(self, product: Product) -> str:
        """The element that the script fills."""
        return (
            f'<div class="play wide" data-play="{self.argument}"><noscript><p class="missing">'
            f"There is something to play with here; it needs JavaScript.</p></noscript></div>"
        )


def add_scripts(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Add the scripts of interactive figures to the pages that have them. Called by Sphinx."""
    found = doctree.findall(nodes.raw) if doctree else ()
    names = [node["plays"] for node in found if node.get("plays")]
    for number, name in enumerate(dict.fromkeys([*ALWAYS, *names] if names else [])):  # each once
        app.add_js_file(f"{name}.js", AFTER_ALL_PAGES + number, defer="defer")
