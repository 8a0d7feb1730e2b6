"""The picture of the three columns in README.md: small, described, and of the current code."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from docs.browser import picture
from shared.sources import ROOT


def test_the_picture_in_the_readme_shows_the_code_as_it_is() -> None:
    assert picture.fingerprint_of() == picture.fingerprint(picture.excerpts()), (
        "the picture in README.md shows code that has changed: nox -s browser -- --update-readme"
    )


def test_the_readme_shows_it_with_words_for_who_cannot_see_it() -> None:
    assert picture.PICTURE.stat().st_size < 300_000
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, shown, _ = readme.partition(f"](docs/{picture.PICTURE.name})")
    assert shown
    alt = before.rpartition("![")[2]
    assert all(framework in alt for framework in ("NumPy", "PyTorch", "JAX"))


def test_another_line_or_place_is_noticed() -> None:
    shown = picture.excerpts()
    first, *others = shown["jax"].lines
    known = picture.fingerprint(shown)
    for lines in (
        (first, *others[:-1]),
        (replace(first, number=first.number + 1), *others),
        (replace(first, text=first.text + " "), *others),
    ):
        assert picture.fingerprint(shown | {"jax": replace(shown["jax"], lines=lines)}) != known


def test_a_screenshot_is_saved_with_its_fingerprint(tmp_path: Path) -> None:
    file = BytesIO()
    colours = np.tile(np.array([[255, 255, 255], [10, 75, 255]], dtype=np.uint8), (8, 8, 1))
    Image.fromarray(colours).save(file, "png")
    picture.save(file.getvalue(), tmp_path / "picture.png")
    assert picture.fingerprint_of(tmp_path / "picture.png") == picture.fingerprint(
        picture.excerpts()
    )
    with Image.open(tmp_path / "picture.png") as saved:
        assert np.array_equal(np.array(saved.convert("RGB")), colours)
    Image.fromarray(colours).save(tmp_path / "other.png")
    assert picture.fingerprint_of(tmp_path / "other.png") is None
