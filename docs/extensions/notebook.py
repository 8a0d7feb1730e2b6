"""The notebook as a page: its cells, with the output and pictures of the run made by the build. Its
text is Markdown as on any page, so Sphinx reads Markdown in its place."""

import html
from collections.abc import Iterator, Mapping
from typing import Any

import nbformat
from sphinx.application import Sphinx
from sphinx.util import logging

from docs.data import lack, read
from docs.producers import road

logger = logging.getLogger(__name__)

FENCE = "`" * 8
"""Longer than any fence that a cell may print."""
TAKE_IT = "Take it with you: {download}`road.ipynb <road.ipynb>`, without what the cells print."


def as_markdown(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the notebook by its last run, or by a note and bare cells. Called by Sphinx."""
    if docname != road.NOTEBOOK.stem:
        return
    product = read(road.PRODUCER)
    notebook = product.data if product else nbformat.reads(source[0], as_version=4)
    first, *others = notebook["cells"]
    parts = [first["source"], TAKE_IT]
    for note in lack(road.PRODUCER, product):
        logger.warning(note, location=docname)
        parts.append(f'<p class="missing" role="note">{html.escape(note)}</p>')
    for cell in others:
        if cell["cell_type"] == "markdown":
            parts.append(cell["source"])
        else:
            parts.append(_block("python", "cell", cell["source"]))
            # Without a product, these are the outputs that Jupyter saved, which are unchecked.
            parts += _shown(cell["outputs"]) if product else []
    source[0] = "\n\n".join(parts) + "\n"


def _block(language: str, kind: str, text: str) -> str:
    return f"{FENCE}{{code-block}} {language}\n:class: {kind} wide\n\n{text}\n{FENCE}"


def _shown(outputs: list[Mapping[str, Any]]) -> Iterator[str]:
    """The printed output of a cell, as one block, and its pictures."""
    printed = [o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == "stdout"]
    if text := "".join(printed).strip("\n"):
        yield _block("text", "printed", text)
    for output in outputs:
        if picture := output.get("data", {}).get("image/png"):
            alt = html.escape(road.alternative(output))
            source = "".join(picture.split())
            yield f'<img class="drawn wide" alt="{alt}" src="data:image/png;base64,{source}">'
