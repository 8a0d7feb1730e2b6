"""The notebook: committed without outputs, run by the build, and shown with its output."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from docs.data import ProducerError, Product
from docs.producers import road
from shared.errors import BackendError
from shared.sources import ROOT
from tests.docs.conftest import Site


def test_the_notebook_is_committed_as_nobody_has_run_it() -> None:
    committed = nbformat.read(road.NOTEBOOK, as_version=4)
    nbformat.validate(committed)
    for cell in (cell for cell in committed.cells if cell.cell_type == "code"):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert cell.metadata == {}
    assert set(committed.metadata) == {"kernelspec", "language_info"}


def run(*sources: str):
    cells = [new_code_cell(source, id=f"c{i}") for i, source in enumerate(sources)]
    return road.run(new_notebook(cells=cells))


def test_cells_are_run_in_order_and_share_their_names() -> None:
    done = run("import os\na = 6", "print(a * 7)\nprint(os.getcwd())")
    (printed,) = done.cells[1].outputs
    assert printed.text.splitlines() == ["42", str(ROOT / "docs")]
    assert all(cell.metadata == {} for cell in done.cells)


LOAD = "import sys; sys.path[:0] = ['..']; from shared.protocol import load_backend; load_backend"
DISPLAY = "from IPython.display import display; display"


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("1 / 0", ProducerError, "docs/road.ipynb: the cell 'c1' fails: ZeroDivisionError: di"),
        (f"{LOAD}('abacus')", BackendError, "there is no backend 'abacus'"),
        (
            *(f"{DISPLAY}({{'image/png': 'aGk='}}, raw=True)", ProducerError),
            "docs/road.ipynb: the cell 'c1' draws a picture and has no alt text for it",
        ),
    ],
)
def test_a_cell_that_fails_is_named(source: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        run("a = 1", source)
    assert str(caught.value).startswith(said)
    assert len(str(caught.value).splitlines()) == 1


PICTURE = {
    "output_type": "display_data",
    "data": {"image/png": "aGVs\nbG8=\n", "text/plain": "<Figure>"},
    "metadata": {"image/png": {"alt": 'a "curve"'}},
}
PRINTED = {"output_type": "stream", "name": "stdout", "text": "a < b\n```\nc\n"}
TALK = {"output_type": "stream", "name": "stderr", "text": "by the way"}
CODE = "x = '$1$'  # [B, T]"


def notebook_of(*outputs):
    text = new_markdown_cell("# Title\n\nThe area is $x^2$.")
    cell = new_code_cell(CODE, outputs=[nbformat.from_dict(output) for output in outputs])
    return new_notebook(cells=[text, cell])


@pytest.mark.parametrize(
    ("product", "said"),
    [
        (Product(notebook_of(PRINTED, TALK, PICTURE)), ""),
        (None, "not measured: road"),
        (Product(notebook_of(PRINTED, PICTURE), stale=True), "older than the sources: road"),
    ],
)
def test_cells_are_shown_with_what_they_printed_and_drew(product, said, site: Site) -> None:
    site.notebook = product
    saved = notebook_of({**PRINTED, "text": "by somebody, some day"})
    nbformat.write(saved, site.source / "road.ipynb")
    told, page = site.build(""), site.page("road")
    assert [said in line for line in told] == ([True] if said else [])
    assert [said in note.text for note in page.select(".missing")] == ([True] if said else [])
    assert page.find("h1").text.startswith("Title")
    assert page.find("math") is not None
    assert page.select_one(".cell pre").text.strip() == CODE
    assert page.find("a", class_="download")["href"].endswith("road.ipynb")
    shown = ["a < b\n```\nc"] if product else []
    assert [text.text.strip() for text in page.select(".printed pre")] == shown
    pictures = [(picture["alt"], picture["src"]) for picture in page.select("img.drawn")]
    assert pictures == ([('a "curve"', "data:image/png;base64,aGVsbG8=")] if product else [])
    assert "by the way" not in page.text
