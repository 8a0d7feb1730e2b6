"""Sites of one page, built without any measurements but those that a test provides."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from audits.mutants import report
from conformance import gate
from docs import data
from docs.build import build_site
from docs.data import Product
from docs.extensions import directive, mathml, notebook
from docs.extensions.proofs import proof
from shared.errors import UserError

NOTEBOOK = """{"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# A"}],
"metadata": {}, "nbformat": 4, "nbformat_minor": 5}"""


def build_quietly(source: Path, out: Path, **options: Any) -> list[str]:
    """`build_site`, though MyST uses functions that Sphinx will remove; both are pinned."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Check CHANGES for Sphinx")
        return build_site(source, out, **{"may_run": False} | options)


def read_page(path: Path) -> Any:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


class Site:
    """A page and the notebook, and what was measured for them."""

    def __init__(self, directory: Path) -> None:
        self.source, self.out = directory / "source", directory / "out"
        self.source.mkdir(parents=True)
        (self.source / "road.ipynb").write_text(NOTEBOOK, encoding="utf-8")
        self.notebook: Product | None = Product({"cells": [{"source": "# A"}]})
        self.figure: Product | None = None

    def build(self, page: str, **options: Any) -> list[str]:
        """Build it, in place of the last one. Returns what is missing, a line each."""
        text = f"# Page\n\n{page}\n\n```{{toctree}}\nroad\n```\n"
        (self.source / "index.md").write_text(text, encoding="utf-8")
        return build_quietly(self.source, self.out, **options)

    def wrong(self, page: str, **options: Any) -> str:
        """What is said of a page that cannot be built."""
        with pytest.raises(UserError) as caught:
            self.build(page, **options)
        return str(caught.value)

    def page(self, name: str = "index") -> Any:
        return read_page(self.out / f"{name}.html")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its reports are in `tmp_path`; the fingerprint of the current sources is "today"."""
    site = Site(tmp_path / "site")
    monkeypatch.setattr(mathml, "write_font", lambda app, error: None)  # most of a build's time
    monkeypatch.setattr(directive, "read", lambda producer: site.figure)
    monkeypatch.setattr(notebook, "read", lambda producer: site.notebook)
    monkeypatch.setattr(data, "DIRECTORY", tmp_path / "docs-data")
    monkeypatch.setattr(proof, "REPORT", tmp_path / "conformance.json")
    monkeypatch.setattr(report, "REPORT", tmp_path / "mutants.json")
    monkeypatch.setattr(report, "STORED", tmp_path / "stored.json")
    monkeypatch.setattr(gate, "fingerprint", lambda: "today")
    monkeypatch.setattr(report, "fingerprint", lambda: "today")
    return site
