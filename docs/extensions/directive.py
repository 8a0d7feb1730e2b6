"""What the directives have in common: how they say what is wrong, and what is missing."""

import html
from collections.abc import Sequence

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

BACKENDS = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX"}
"""The backends as a reader knows them, in the order of the columns."""

logger = logging.getLogger(__name__)


class SiteDirective(SphinxDirective):
    """A directive of ours. Its arguments may have spaces in them."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True

    @property
    def argument(self) -> str:
        """What stands behind the directive's name; "" if nothing does."""
        return " ".join(self.arguments)

    def wrong(self, message: str) -> list[nodes.Node]:
        """The page is wrong: the build fails, and the line says where."""
        logger.error(message, location=self.get_location())
        return []

    def missing(self, message: str) -> list[nodes.Node]:
        """A figure is missing: a note that the reader sees. With --strict the build fails."""
        logger.warning(message, location=self.get_location())
        return [raw(f'<p class="missing" role="note">{html.escape(message)}</p>')]

    def number(self) -> int:
        """A number that no other directive on the page has."""
        return self.env.new_serialno("minigpt")

    def parsed(self, lines: Sequence[str], first: int = 0) -> list[nodes.Node]:
        """Markdown as nodes. `first` is the line of the content at which `lines` begin."""
        text = self.content[first : first + len(lines)]
        return self.parse_text_to_nodes("\n".join(text), offset=self.content_offset + first)


def raw(text: str) -> nodes.raw:
    """HTML as it is."""
    return nodes.raw("", text, format="html")
