"""`{run-figure} NAME` and `{run-data} NAME`: what a producer of docs/producers measured."""

import html
import json

from docutils import nodes

from docs.data import Product, read
from docs.extensions.directive import SiteDirective, raw
from docs.producers import PRODUCERS


class FromRun(SiteDirective):
    """The base of both directives."""

    required_arguments = 1
    optional_arguments = 0

    def run(self) -> list[nodes.Node]:
        producer = PRODUCERS.get(self.argument)
        if producer is None:
            known = ", ".join(PRODUCERS)
            return self.wrong(f"there is no producer {self.argument!r}; there are: {known}")
        product = read(producer)
        if product is None:
            return self.missing(f"not measured: {producer.name} ({producer.what})")
        note = self.missing(f"older than the sources: {producer.name}") if product.stale else []
        return [*note, *self.shown(product)]

    def shown(self, product: Product) -> list[nodes.Node]:
        raise NotImplementedError


class RunFigure(FromRun):
    """The picture of a run, with its alternative text. The content is its caption."""

    def shown(self, product: Product) -> list[nodes.Node]:
        if product.svg is None:
            return self.wrong(f"{product.producer.name} draws nothing")
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

    def shown(self, product: Product) -> list[nodes.Node]:
        # Only "</" can end a script element early.
        text = json.dumps(product.data, separators=(",", ":")).replace("</", "<\\/")
        name = product.producer.name
        return [raw(f'<script type="application/json" id="data-{name}">{text}</script>')]
