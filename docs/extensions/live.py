"""`{live} NAME`: an interactive figure whose numbers the browser computes, by the trained model.
docs/_static/NAME.js fills it; live.js runs the model with gpt.js."""

import json
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from audits.mutants.catalogue import find
from docs.data import Product, read
from docs.extensions.directive import PageError
from docs.extensions.figures import Play
from docs.producers.live import PRODUCER

DOCS = Path(__file__).resolve().parents[1]
MODEL = "model.js"
"""A script that the build writes: one file for all pages, because it is half a megabyte."""


class Live(Play):
    """The figure. It gets no numbers: the model is in `MODEL`."""

    def shown(self) -> list[nodes.Node]:
        product, notes = self.product(PRODUCER)
        return [*notes, *self.of_product(Product({}))] if product else notes


def bugs() -> dict[str, dict[str, Any]]:
    """The bugs of docs/bugs.toml, with their stories. Raises `UserError` if the text to replace is
    not in gpt.js exactly once, or there is no mutant of this name."""
    source = (DOCS / "_static" / "gpt.js").read_text(encoding="utf-8")
    found = tomllib.loads((DOCS / "bugs.toml").read_text(encoding="utf-8"))
    for name, bug in found.items():
        old, _ = bug["edit"]
        if (times := source.count(old)) != 1:
            raise PageError(f"bugs.toml, {name}: {old!r} stands {times} times in gpt.js")
        bug["story"] = find(name).story
    return found


def write_model(app: Sphinx, error: Exception | None) -> None:
    """Write the model and the bugs; null if it was not measured. Called by Sphinx."""
    if error is None:
        product = read(PRODUCER)
        trained = product and product.data | {"bugs": bugs()}
        script = f"window.trained = {json.dumps(trained)};\n"
        (Path(app.outdir) / "_static" / MODEL).write_text(script, encoding="utf-8")
