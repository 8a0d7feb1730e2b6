"""The tables as HTML: the templates beside this file, filled in."""

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
    """The template of this name with these values, in which markup is escaped."""
    return str(ENVIRONMENT.get_template(f"{name}.html.jinja").render(values))
