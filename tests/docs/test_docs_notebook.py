"""The notebook: committed without outputs, run by the build, and shown with its output."""

from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from docs import build
from docs.build import main
from docs.data import Producer, ProducerError, Product
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
    ids = [cell.id for cell in committed.cells]
    assert len(ids) == len(set(ids))


# Running it


def run(*sources: str) -> Any:
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


def test_a_cell_that_fails_fails_the_build(tmp_path, monkeypatch, capsys) -> None:
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


def show(site: Site, product: Product | None) -> tuple[Any, list[str]]:
    """The page of the small notebook, and the complaints of the build."""
    site.notebook = product
    nbformat.write(small({**PRINTED, "text": "by somebody, some day"}), site.source / "road.ipynb")
    told = site.build("")
    return site.page("road"), told


def test_cells_are_shown_with_what_they_printed_and_drew(site: Site) -> None:
    drawn = small(PRINTED, TALK, PICTURE)
    page, told = show(site, Product(road.PRODUCER, drawn, None, "", stale=False))
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


@pytest.mark.parametrize(
    ("product", "said"),
    [
        (None, "not measured: road"),
        (Product(road.PRODUCER, small(PRINTED), None, "", True), "older than the sources: road"),
    ],
)
def test_a_notebook_that_was_not_run_or_is_old_says_so(product, said, site) -> None:
    page, (told,) = show(site, product)
    assert said in told
    assert said in page.select_one(".missing").text
    assert page.select_one(".cell pre").text.strip() == CODE
    assert (page.select_one(".printed") is None) == (product is None)
