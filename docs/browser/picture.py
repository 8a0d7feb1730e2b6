"""The picture in README.md: one function in three columns, photographed from the site.

A text chunk of the PNG holds a fingerprint of the code in the picture, so that a test can find out
whether the code has changed since.
"""

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from docs.extensions.code.excerpts import Excerpt, find_excerpt
from docs.extensions.directive import BACKENDS
from shared.sources import ROOT

PICTURE = ROOT / "docs" / "three-columns.png"
PAGE = "pages/09-loss"
SHOWN = "cross_entropy"
COLOURS = 128
"""Colours of the picture. More do not look different, and make the file larger."""
CHUNK = "minigpt-excerpt"
"""The name of the text chunk."""


def excerpts() -> dict[str, Excerpt]:
    """The code in each column, from the current sources."""
    files = {name: f"impls/{name}/model.py" for name in BACKENDS}
    return {name: find_excerpt(file, SHOWN, docstring=False) for name, file in files.items()}


def fingerprint(shown: Mapping[str, Excerpt]) -> str:
    """A hash of the code in the columns and of its places."""
    texts = [
        "\n".join([excerpt.place, *(line.text for line in excerpt.lines)])
        for excerpt in shown.values()
    ]
    return hashlib.sha256("\n\n".join(texts).encode()).hexdigest()


def save(screenshot: bytes, path: Path = PICTURE) -> None:
    """Write a screenshot in few colours, with the fingerprint of the current code."""
    picture = (
        Image.open(BytesIO(screenshot)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    )
    note = PngInfo()
    note.add_text(CHUNK, fingerprint(excerpts()))
    picture.save(path, pnginfo=note, optimize=True)


def fingerprint_of(path: Path = PICTURE) -> str | None:
    """The fingerprint in a picture; None if it has none."""
    with Image.open(path) as picture:
        found = picture.info.get(CHUNK)
    return found if isinstance(found, str) else None
