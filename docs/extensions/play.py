"""`{play} NAME`: an interactive figure. docs/_static/NAME.js fills it, after play.js, with the
numbers of the producer NAME. Without JavaScript, it shows a note."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from docs.data import Product
from docs.extensions.directive import raw
from docs.extensions.figures import RunData
from shared.sources import ROOT

STATIC = ROOT / "docs" / "_static"
AFTER_ALL_PAGES = 850
"""Sphinx's load order; the scripts of every page have 800."""


class Play(RunData):
    """An empty element and its numbers. The directive has no content."""

    def shown(self, product: Product) -> list[nodes.Node]:
        name = product.producer.name
        if not (STATIC / f"{name}.js").exists():
            return self.wrong(f"there is no docs/_static/{name}.js")
        place = raw(
            f'<div class="play wide" data-play="{name}"><noscript><p class="missing">Here would '
            f"be something to play with; it needs JavaScript.</p></noscript></div>"
        )
        place["plays"] = name
        return [*super().shown(product), place]


def add_scripts(
    app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: nodes.document
) -> None:
    """Add the scripts of interactive figures to the pages that have them. Called by Sphinx."""
    found = doctree.findall(nodes.raw) if doctree else ()
    names = {node["plays"]: None for node in found if "plays" in node}  # each once, in order
    for number, name in enumerate(["play", *names] if names else []):
        app.add_js_file(f"{name}.js", AFTER_ALL_PAGES + number, defer="defer")
