"""A page that has only a title says so, and with --strict it is an error."""

from sphinx.application import Sphinx
from sphinx.util import logging

from docs.to_write import PAGES_TO_WRITE

logger = logging.getLogger(__name__)

NOTE = "\n```{admonition} Not written yet\nThe code is there already; the words are not.\n```\n"


def add_note(app: Sphinx, docname: str, content: list[str]) -> None:
    """Called by Sphinx for every page that it reads."""
    if docname.removeprefix("pages/") in PAGES_TO_WRITE:
        logger.warning("this page is not written yet", location=docname)
        content[0] += NOTE
