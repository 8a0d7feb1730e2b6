"""For every rung: a description, the files and functions of the exercise, and a hint.

They stand in hints.md: a heading for each section, one below it for each rung, and two paragraphs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Hint(NamedTuple):
    """The help for a rung."""

    about: str
    where: str
    hint: str


def read_hints(text: str) -> Iterator[tuple[tuple[str, str], Hint]]:
    """Every hint, under the section and the name of its rung."""
    for part in text.split("\n# ")[1:]:
        section, *rungs = part.split("\n## ")
        for rung in rungs:
            heading, where, hint = rung.strip().split("\n\n")
            name, about = heading.split(": ", 1)
            yield (section.strip(), name), Hint(about, where, " ".join(hint.split()))


HINTS = dict(read_hints(Path(__file__).with_name("hints.md").read_text(encoding="utf-8")))
