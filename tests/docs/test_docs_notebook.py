"""The notebook: committed without outputs, run by the build, and shown with its output."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from docs import build
from docs.build import build_site, main
from docs.data import Producer, ProducerError, Product
from docs.extensions import notebook
from docs.producers import road
from shared.errors import BackendError
from shared.sources import ROOT

# MyST uses functions that Sphinx will remove in two versions; both are pinned.
pytestmark = pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx")


def test_the_notebook_is_committed_as_nobody_has_run_it() -> None:
    committed = nbformat.read(road.NOTEBOOK, as_version=4)
    nbformat.validate(committed)
    for cell in (cell for cell in committed.cells if cell.cell_type == "code"):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert cell.metadata == {}
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    ids = [cell.id for cell in committed.cells]
    assert len(ids) == len(set(ids))


# Running it


def notebook_of(*sources: str) -> Any:
    return new_notebook(
        cells=[new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
    )


def test_cells_are_run_in_order_and_share_their_names() -> None:
    done = road.run(notebook_of("import os\na = 6", "print(a * 7)\nprint(os.getcwd())"))
    (printed,) = done.cells[1].outputs
    assert printed.text.splitlines() == ["42", str(ROOT / "docs")]
    assert all(cell.metadata == {} for cell in done.cells)


FOUND = "import sys\nsys.path[:0] = ['..']\n"
FAILING = [
    ("1 / 0", ProducerError, "docs/road.ipynb: the cell 'c1' fails: ZeroDivisionError: division"),
    (
        f"{FOUND}from shared.protocol import load_backend\nload_backend('abacus')",
        BackendError,
        "there is no backend 'abacus'",
    ),
    (
        "from IPython.display import display\ndisplay({'image/png': 'aGk='}, raw=True)",
        ProducerError,
        "docs/road.ipynb: the cell 'c1' draws a picture and has no alt text for it",
    ),
]


@pytest.mark.parametrize(("source", "error", "said"), FAILING, ids=["error", "backend", "picture"])
def test_a_cell_that_fails_is_named(source: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        road.run(notebook_of("a = 1", source))
    assert str(caught.value).startswith(said)
    assert len(str(caught.value).splitlines()) == 1


def test_a_cell_that_fails_fails_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure() -> None:
        raise ProducerError("the cell 'c1' fails")

    failing = Producer("failing", "nothing", ("LICENSE",), measure)
    monkeypatch.setattr(build, "PRODUCERS", {"failing": failing})
    assert main(["--out", str(tmp_path / "site")]) == 2
    assert capsys.readouterr().err.endswith("error: the cell 'c1' fails\n")
    assert not (tmp_path / "site").exists()


# As a page

PICTURE = {
    "output_type": "display_data",
    "data": {"image/png": "aGVs\nbG8=\n", "text/plain": "<Figure>"},
    "metadata": {"image/png": {"alt": 'a "curve"'}},
}
PRINTED = {"output_type": "stream", "name": "stdout", "text": "a < b\n```\nc\n"}
TALK = {"output_type": "stream", "name": "stderr", "text": "by the way"}
CODE = "x = '$1$'  # [B, T]"


def small(*outputs: dict[str, Any]) -> Any:
    """A notebook of a text and a cell."""
    text = new_markdown_cell("# Title\n\nThe area is $x^2$.")
    return new_notebook(
        cells=[text, new_code_cell(CODE, outputs=[nbformat.from_dict(o) for o in outputs])]
    )


@pytest.fixture
def build_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Builds the page of the small notebook. Returns it with the complaints of the build."""

    def build_page(product: Product | None) -> tuple[Any, list[str]]:
        monkeypatch.setattr(notebook, "read", lambda producer: product)
        source = tmp_path / "source"
        source.mkdir()
        (source / "index.md").write_text("# Index\n\n```{toctree}\nroad\n```\n")
        saved = small({**PRINTED, "text": "by somebody, some day"})
        nbformat.write(saved, source / "road.ipynb")
        told = build_site(source, tmp_path / "out", may_run=False)
        written = (tmp_path / "out" / "road.html").read_text(encoding="utf-8")
        return BeautifulSoup(written, "html.parser"), told

    return build_page


def test_cells_are_shown_with_what_they_printed_and_drew(build_page: Callable[..., Any]) -> None:
    run = small(PRINTED, TALK, PICTURE)
    page, told = build_page(Product(road.PRODUCER, run, None, "", stale=False))
    assert told == []
    assert page.find("h1").text.startswith("Title")
    assert page.find("math") is not None
    assert page.select_one(".cell pre").text.strip() == CODE
    assert page.select_one(".printed pre").text.strip() == "a < b\n```\nc"
    picture = page.find("img", class_="drawn")
    assert picture["alt"] == 'a "curve"'
    assert picture["src"] == "data:image/png;base64,aGVsbG8="
    assert "by the way" not in page.text
    assert page.find("a", class_="download")["href"].endswith("road.ipynb")


def test_a_notebook_that_was_not_run_says_so(build_page: Callable[..., Any]) -> None:
    page, (told,) = build_page(None)
    assert "not measured: road" in told
    assert "not measured: road" in page.select_one(".missing").text
    assert page.select_one(".cell pre").text.strip() == CODE
    assert page.select_one(".printed") is None


def test_an_old_one_is_shown_with_a_note(build_page: Callable[..., Any]) -> None:
    page, (told,) = build_page(Product(road.PRODUCER, small(PRINTED), None, "", stale=True))
    assert "older than the sources: road" in told
    assert "older than the sources" in page.select_one(".missing").text
    assert page.select_one(".printed") is not None
