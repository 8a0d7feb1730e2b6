"""HTML from the templates in the folders beside this file."""

from pathlib import Path
from typing import Any

import jinja2

ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def fill(name: str, **values: Any) -> str:
    """A template, such as "proofs/kills", with these values, in which markup is escaped."""
    return str(ENVIRONMENT.get_template(f"{name}.html.jinja").render(values))
