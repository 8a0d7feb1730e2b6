"""The picture in README.md: one function in three columns, photographed from the site. A text chunk
of the PNG holds a fingerprint of the code in the picture, so that a test can tell whether the code
has changed since."""

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
"""Colours of the picture. More would look the same and make the file larger."""
CHUNK = "minigpt-excerpt"
"""The name of the text chunk."""


def fingerprint() -> str:
    """A hash of the code in the columns and of its places, from the current sources."""
    columns = []
    for name in BACKENDS:
        shown = find_excerpt(f"impls/{name}/model.py", SHOWN, docstring=False)
        columns.append("\n".join([shown.place, *(line.text for line in shown.lines)]))
    return hashlib.sha256("\n\n".join(columns).encode()).hexdigest()


def save(screenshot: bytes) -> None:
    """Write a screenshot in few colours, with the fingerprint of the current code."""
    picture = Image.open(BytesIO(screenshot)).convert("RGB")
    note = PngInfo()
    note.add_text(CHUNK, fingerprint())
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(PICTURE, pnginfo=note, optimize=True)


def fingerprint_in_picture() -> str | None:
    """The fingerprint of the code when the picture was taken."""
    with Image.open(PICTURE) as picture:
        return picture.info.get(CHUNK)
