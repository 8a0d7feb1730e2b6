"""Figures from real runs: made by producers, kept in build/docs-data until a source changes.

A producer measures something, returns numbers, and draws them if it has a picture:

    PRODUCER = Producer(
        name="losses",
        what="the same training three times",
        sources=("impls", "shared", "docs/producers/losses.py"),
        measure=measure,  # () -> anything that JSON can hold
        draw=draw,        # (the result of measure) -> Drawing; or None
    )

Each producer has a file in docs/producers and is listed in docs/producers/__init__.py. A page shows
its picture with `{run-figure} losses`, or passes its numbers to a script: `{run-data} losses`.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.commands.terminal import say
from shared.errors import UserError
from shared.files import explained, write_whole
from shared.sources import ROOT, fingerprint

DIRECTORY = ROOT / "build" / "docs-data"


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
    sources: tuple[str, ...]
    """Files and directories that decide the outcome; a change to any of them makes it stale."""
    measure: Callable[[], Any]
    """Raises `UserError` if something it needs is missing, such as a framework, and
    `ProducerError` if it fails all the same."""
    draw: Callable[[Any], Drawing] | None = None


@dataclass(frozen=True)
class Product:
    """What a producer left in build/docs-data."""

    producer: Producer
    data: Any
    svg: str | None
    alt: str
    stale: bool
    """The sources have changed since."""


def lack(producer: Producer, product: Product | None) -> list[str]:
    """What is wrong with a product, in a line, if something is."""
    if product is None:
        return [f"not measured: {producer.name} ({producer.what})"]
    return [f"older than the sources: {producer.name}"] if product.stale else []


def make(producers: Iterable[Producer], directory: Path = DIRECTORY) -> list[str]:
    """Measure what is missing or stale. Returns a line for every producer that could not run.

    Raises:
        ProducerError: the code to be measured fails.
        RunError: a figure cannot be written.
    """
    failures = []
    for producer in producers:
        known = read(producer, directory)
        if known is not None and not known.stale:
            continue
        say(f"{producer.name}: {producer.what} …")
        before = fingerprint(producer.sources)  # before measuring: later edits are not measured
        try:
            data = producer.measure()
        except ProducerError:
            raise
        except UserError as error:
            failures.append(f"{producer.name} could not be measured: {error}")
            continue
        drawing = producer.draw(data) if producer.draw else None
        record = {
            "fingerprint": before,
            "data": data,
            "svg": drawing and drawing.svg,
            "alt": drawing.alt if drawing else "",
        }
        path = directory / f"{producer.name}.json"
        with explained("write", path):
            directory.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(record, allow_nan=False))
    return failures


def read(producer: Producer, directory: Path = DIRECTORY) -> Product | None:
    """The last measurement; None if there is none, or it cannot be read."""
    try:
        record = json.loads((directory / f"{producer.name}.json").read_text(encoding="utf-8"))
        stale = record["fingerprint"] != fingerprint(producer.sources)
        return Product(producer, record["data"], record["svg"], record["alt"], stale)
    except (OSError, ValueError, KeyError, TypeError):
        return None
