"""`{run-figure} NAME`, `{run-data} NAME`, `{play} NAME`: what a producer of docs/producers found.

`{play}` is an interactive figure: docs/_static/NAME.js fills it, after play.js, with the numbers.
Without JavaScript, it shows a note.
"""

import html
import json
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from docs.data import Product, lack, read
from docs.extensions.directive import PageError, SiteDirective, raw
from docs.producers import PRODUCERS
from shared.sources import ROOT

STATIC = ROOT / "docs" / "_static"
AFTER_ALL_PAGES = 850
"""Sphinx's load order; the scripts of every page have 800."""


class FromRun(SiteDirective):
    """The base of these directives."""

    required_arguments = 1
    optional_arguments = 0

    def shown(self) -> list[nodes.Node]:
        producer = PRODUCERS.get(self.argument)
        if producer is None:
            known = ", ".join(PRODUCERS)
            raise PageError(f"there is no producer {self.argument!r}; there are: {known}")
        product = read(producer)
        notes = [node for line in lack(producer, product) for node in self.missing(line)]
        return [*notes, *self.of_product(product)] if product else notes

    def of_product(self, product: Product) -> list[nodes.Node]:
        raise NotImplementedError


class RunFigure(FromRun):
    """The picture of a run, with its alternative text. The content is its caption."""

    def of_product(self, product: Product) -> list[nodes.Node]:
        if product.svg is None:
            raise PageError(f"{product.producer.name} draws nothing")
        figure = nodes.container(classes=["run-figure"])
        alt = html.escape(product.alt)
        figure += raw(f'<div class="picture" role="img" aria-label="{alt}">{product.svg}</div>')
        figure += self.parsed(self.content)
        return [figure]


class RunData(FromRun):
    """The numbers of a run for a script on the page: <script type="application/json" id="…">.

    They are embedded because a page opened from disk may not load files.
    """

    has_content = False

    def of_product(self, product: Product) -> list[nodes.Node]:
        # Only "</" can end a script element early.
        text = json.dumps(product.data, separators=(",", ":")).replace("</", "<\\/")
        name = product.producer.name
        return [raw(f'<script type="application/json" id="data-{name}">{text}</script>')]


class Play(RunData):
    """An empty element and its numbers. The directive has no content."""

    def of_product(self, product: Product) -> list[nodes.Node]:
        name = product.producer.name
        if not (STATIC / f"{name}.js").exists():
            raise PageError(f"there is no docs/_static/{name}.js")
        place = (
            f'<div class="play wide" data-play="{name}"><noscript><p class="missing">Here would '
            f"be something to play with; it needs JavaScript.</p></noscript></div>"
        )
        return [*super().of_product(product), raw(place, name)]


def add_scripts(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Add the scripts of interactive figures to the pages that have them. Called by Sphinx."""
    found = doctree.findall(nodes.raw) if doctree else ()
    names = dict.fromkeys(node["plays"] for node in found if node.get("plays"))  # each once
    for number, name in enumerate(["play", *names] if names else []):
        app.add_js_file(f"{name}.js", AFTER_ALL_PAGES + number, defer="defer")
