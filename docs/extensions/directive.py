"""The base of all directives: reports errors and missing figures."""

import html
from collections.abc import Sequence

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from docs.data import Producer, Product, lack, read
from shared.errors import UserError

BACKENDS = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX"}
"""The backends and their titles, in the order of the columns."""

logger = logging.getLogger(__name__)


class PageError(UserError):
    """A page uses a directive wrongly."""


class SiteDirective(SphinxDirective):
    """A directive of this site. Its argument may contain spaces."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    @property
    def argument(self) -> str:
        """The text after the directive's name; "" if there is none."""
        return " ".join(self.arguments)

    def run(self) -> list[nodes.Node]:
        """What is shown. An error is reported with its line, and the build fails."""
        try:
            return self.shown()
        except UserError as error:
            logger.error(str(error), location=self.get_location())
            return []

    def shown(self) -> list[nodes.Node]:
        """Raises `UserError` if the page is wrong."""
        raise NotImplementedError

    def box(self, kind: str, title: str, *parts: nodes.Node) -> list[nodes.Node]:
        """A frame of this class with a title."""
        return [nodes.container("", nodes.rubric("", title), *parts, classes=[kind])]

    def missing(self, message: str) -> list[nodes.Node]:
        """Report a missing figure in a note on the page. With --strict, the build fails."""
        logger.warning(message, location=self.get_location())
        return [raw(f'<p class="missing" role="note">{html.escape(message)}</p>')]

    def product(self, producer: Producer) -> tuple[Product | None, list[nodes.Node]]:
        """What a producer left, and notes on what is wrong with it."""
        product = read(producer)
        return product, [node for line in lack(producer, product) for node in self.missing(line)]

    def parsed(self, lines: Sequence[str], first: int = 0) -> list[nodes.Node]:
        """Markdown as nodes. `first` is the line of the content at which `lines` begin."""
        text = self.content[first : first + len(lines)]
        return self.parse_text_to_nodes("\n".join(text), offset=self.content_offset + first)


def raw(text: str, plays: str | None = None) -> nodes.raw:
    """HTML as it is. If it `plays`, its page loads the script of this name in docs/_static."""
    return nodes.raw("", text, format="html", plays=plays)
