"""The picture in README.md: one function in three columns, photographed from the site.

A text chunk of the PNG holds a fingerprint of the code in the picture, so that a test can find out
whether the code has changed since.
"""

import hashlib
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from docs.extensions.code.excerpts import find_excerpt
from docs.extensions.directive import BACKENDS
from shared.sources import ROOT

PICTURE = ROOT / "docs" / "three-columns.png"
PAGE = "pages/09-loss"
SHOWN = "cross_entropy"
COLOURS = 128
"""Colours of the picture. More do not look different, and make the file larger."""
CHUNK = "minigpt-excerpt"
"""The name of the text chunk."""


def code() -> dict[str, list[str]]:
    """Of each column, from the current sources: its place, and its lines."""
    found = {
        name: find_excerpt(f"impls/{name}/model.py", SHOWN, docstring=False) for name in BACKENDS
    }
    return {name: [it.place, *(line.text for line in it.lines)] for name, it in found.items()}


def fingerprint() -> str:
    """A hash of the code in the columns and of its places."""
    return hashlib.sha256("\n\n".join(map("\n".join, code().values())).encode()).hexdigest()


def save(screenshot: bytes) -> None:
    """Write a screenshot in few colours, with the fingerprint of the current code."""
    picture = Image.open(BytesIO(screenshot)).convert("RGB")
    note = PngInfo()
    note.add_text(CHUNK, fingerprint())
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(PICTURE, pnginfo=note, optimize=True)


def fingerprint_in_picture() -> str | None:
    """Of the code when the picture was taken."""
    with Image.open(PICTURE) as picture:
        return picture.info.get(CHUNK)
