"""Figures from real runs: made by producers, kept in build/docs-data until a source changes.

A producer measures something, returns numbers, and draws them if it has a picture. Each has a file
in docs/producers and is listed in docs/producers/__init__.py. A page shows its picture with
`{run-figure} losses`, or an interactive figure of its numbers with `{play} attention`.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.commands.terminal import say
from shared.errors import UserError
from shared.files import explained, write_whole
from shared.sources import ROOT, fingerprint

DIRECTORY = ROOT / "build" / "docs-data"
SOURCES = (
    *("impls", "shared", "lessons", "conformance", "audits", "constraints.txt"),
    *("docs/producers", "docs/road.ipynb"),
)
"""A change to any of them makes all figures stale: each depends on most of them."""


class ProducerError(UserError):
    """The code to be measured fails, which is a bug and not a missing figure."""


@dataclass(frozen=True)
class Drawing:
    """A picture, and the text that replaces it for a screen reader."""

    svg: str
    alt: str
    """What it shows, with the numbers that matter."""


@dataclass(frozen=True)
class Producer:
    """Something that can be measured by running the code."""

    name: str
    what: str
    """A short description, for messages."""
    measure: Callable[[], Any]
    """Returns anything that JSON can hold. Raises `UserError` if something it needs is missing,
    such as a framework, and `ProducerError` if it fails for another reason."""
    draw: Callable[[Any], Drawing] | None = None

    @property
    def path(self) -> Path:
        """Where its product is kept."""
        return DIRECTORY / (re.sub(r"\W+", "-", self.name) + ".json")


@dataclass(frozen=True)
class Product:
    """What a producer left in build/docs-data."""

    data: Any
    svg: str | None = None
    alt: str = ""
    stale: bool = False
    """The sources have changed since."""


def lack(producer: Producer, product: Product | None) -> list[str]:
    """What is wrong with a product, as one line, if anything is."""
    if product is None:
        return [f"not measured: {producer.name} ({producer.what})"]
    return [f"older than the sources: {producer.name}"] if product.stale else []


def make(producers: Iterable[Producer]) -> list[str]:
    """Measure what is missing or stale. Returns a line for every producer that could not run.
    Raises `ProducerError` if measured code fails, `RunError` if a figure cannot be written."""
    failures = []
    for producer in producers:
        known = read(producer)
        if known is not None and not known.stale:
            continue
        say(f"{producer.name}: {producer.what} …")
        before = fingerprint(SOURCES)  # before measuring: later edits are not measured
        try:
            data = producer.measure()
        except ProducerError:
            raise
        except UserError as error:
            failures.append(f"{producer.name} could not be measured: {error}")
            continue
        record = {"fingerprint": before, "data": data, "svg": None, "alt": ""}
        if producer.draw:
            record |= vars(producer.draw(data))
        with explained("write", producer.path):
            DIRECTORY.mkdir(parents=True, exist_ok=True)
            write_whole(producer.path, json.dumps(record, allow_nan=False))
    return failures


def read(producer: Producer) -> Product | None:
    """The last measurement; None if there is none, or it cannot be read."""
    try:
        record = json.loads(producer.path.read_text(encoding="utf-8"))
        stale = record["fingerprint"] != fingerprint(SOURCES)
        return Product(record["data"], record["svg"], record["alt"], stale)
    except (OSError, ValueError, KeyError, TypeError):
        return None
