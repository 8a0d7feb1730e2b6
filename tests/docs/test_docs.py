"""The site: its pages and their contents, and pages with mistakes or missing figures."""

import json
import re
import socket
import urllib.request
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

from audits.mutants import report as verdicts
from audits.mutants.judging import Verdict
from conformance.limits import ORDER
from docs.build import build_site, main
from docs.data import Product
from docs.extensions import figures
from docs.extensions.proofs import proof
from docs.producers import losses
from docs.producers.drawing import INK
from docs.serve import open_server
from shared.errors import UserError
from shared.protocol import BACKENDS
from shared.sources import ROOT

DOCS = ROOT / "docs"
PAGES = sorted((DOCS / "pages").glob("*.md"))

# MyST uses functions that Sphinx will remove in two versions; both are pinned.
pytestmark = pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx")

MAY_BE_MISSING = (
    "not written yet",
    "not measured",
    "was not measured",
    "older than the sources",
    "before the sources changed",
    "not run yet",
)
"""Complaints about missing figures and pages, which are not mistakes."""


# The pages

PARTS = {
    "an equation": r"^\$\$$",
    "the three columns": r"^```\{three\} ",
    "what the framework did": r"^```\{did-for-you\}$",
    "the conformance figures": r"^```\{conformance\} ",
    "an experiment": r"^```\{try\} ",
    "a bug to plant": r"^```\{mutant\} ",
    "a question": r"^```\{question\}$",
    "links to papers": r"\]\(https://",
}
"""The parts of every page of the lesson, in its source."""


def test_the_pages_are_numbered_as_they_are_read() -> None:
    assert [int(page.name[:2]) for page in PAGES] == list(range(1, len(PAGES) + 1))
    assert len(PAGES) == 16


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_has_all_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# ")
    for part, written in PARTS.items():
        assert re.search(written, text, re.MULTILINE), f"{page.name} has not {part}"
    assert all(len(line) <= 120 for line in text.splitlines())


# The site


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The real site, built with the existing figures, and a list of what is missing."""
    out = tmp_path_factory.mktemp("site") / "site"
    return out, build_site(DOCS, out, may_run=False)


@pytest.fixture
def site(built: tuple[Path, list[str]]) -> Path:
    return built[0]


@pytest.fixture(scope="module")
def pages(built: tuple[Path, list[str]]) -> dict[str, Any]:
    """The pages of the real site, by their place in it."""
    return html_pages(built[0])


def html_pages(site: Path) -> dict[str, Any]:
    return {
        path.relative_to(site).with_suffix("").as_posix(): BeautifulSoup(
            path.read_text(encoding="utf-8"), "html.parser"
        )
        for path in sorted(site.rglob("*.html"))
    }


def test_nothing_is_wrong_with_the_site(built: tuple[Path, list[str]]) -> None:
    others = [line for line in built[1] if not any(kind in line for kind in MAY_BE_MISSING)]
    assert not others, "\n".join(others)


def test_the_site_has_every_page(pages: dict[str, Any]) -> None:
    assert {"index", *(f"pages/{page.stem}" for page in PAGES)} <= set(pages)


def test_nothing_is_asked_of_another_host(site: Path, pages: dict[str, Any]) -> None:
    for name, page in pages.items():
        tags = page.find_all(["script", "img", "link", "iframe", "source", "use"])
        asked = [tag.get("src") or tag.get("href") or "" for tag in tags]
        assert not [url for url in asked if re.match(r"(https?:)?//", url)], name
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"url\(['\"]?(https?:)?//|@import\s+['\"]?http", text), sheet.name


def test_pages_are_small_and_ids_are_unique(site: Path, pages: dict[str, Any]) -> None:
    for name, page in pages.items():
        assert (site / f"{name}.html").stat().st_size < 1_500_000, name
        ids = [tag["id"] for tag in page.find_all(id=True)]
        assert len(ids) == len(set(ids)), name


def test_columns_are_tabs_that_a_screen_reader_understands(pages: dict[str, Any]) -> None:
    page = pages["pages/05-layernorm-and-residuals"]
    threes = page.select(".three")
    assert len(threes) >= 3
    for three in threes:
        assert three.find(attrs={"role": "tablist"})["aria-label"]
        tabs = three.find_all(attrs={"role": "tab"})
        assert [tab.text for tab in tabs] == ["NumPy", "PyTorch", "JAX"]
        assert all(page.find(id=tab["aria-controls"]) for tab in tabs)
        assert all(pre["aria-label"] and pre["tabindex"] == "0" for pre in three.find_all("pre"))
    assert "self.ln_1 = nn.LayerNorm(" in threes[0].select_one(".backend-torch pre").text


def test_equations_are_mathml_in_a_font_of_the_site(site: Path, pages: dict[str, Any]) -> None:
    equations = pages["pages/03-attention-in-four-steps"].find_all("math")
    assert len(equations) > 10
    assert any(equation.find("msqrt") for equation in equations)
    assert 50_000 < (site / "_static" / "STIXTwoMath.woff").stat().st_size < 300_000


# Pages with mistakes


def build_page(directory: Path, page: str, **options: Any) -> list[str]:
    """Build a site of one page. Its output replaces that of the last one."""
    source = directory / "source"
    source.mkdir(exist_ok=True)
    (source / "index.md").write_text(f"# Page\n\n{page}\n", encoding="utf-8")
    return build_site(source, directory / "out", may_run=False, **options)


def index_of(directory: Path) -> Any:
    """The page as it was built."""
    return html_pages(directory / "out")["index"]


WRONG = {
    "```{three} GPT.sideways\n```": "there is no GPT.sideways in impls/numpy/model.py",
    "```{three} softmax\n:numpy-file: nn.py\n:torch: nothing\n:jax: nothing\n```": "say in the",
    "```{excerpt} shared/schedule.py tomorrow\n```": "there is no tomorrow in shared/schedule.py",
    "```{mutant} swap_qkv\n```": "there is no mutant 'swap_qkv'",
    "```{conformance} logits, vibes\n```": "there is no check 'vibes'",
    "```{run-figure} horoscope\n```": "there is no producer 'horoscope'",
    "```{try} T\n:command: nox -s tango\n```": "there is no nox session 'tango'",
    "```{question}\nWhy?\n```": "put a line of --- before the answer",
    "```{did-for-you}\n- NumPy: nothing\n```": "a list of three",
    "$\\nosuchcommand{x}$": "nosuchcommand",
}


def test_what_is_wrong_fails_the_build_and_is_named(tmp_path: Path) -> None:
    build_page(tmp_path, "All is well: $x^2$.")
    before = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    with pytest.raises(UserError) as caught:
        build_page(tmp_path, "\n\n".join(WRONG))
    lines = str(caught.value).splitlines()[1:]
    for said in WRONG.values():
        (line,) = [line for line in lines if said in line]
        assert re.match(r".*index\.md:\d+: ERROR: ", line), line
    assert (tmp_path / "out" / "index.html").read_text(encoding="utf-8") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]


def test_strict_fails_on_what_else_is_only_told(tmp_path: Path) -> None:
    failures = ["losses could not be measured"]
    assert build_page(tmp_path, "", failures=failures) == failures
    with pytest.raises(UserError, match="losses could not be measured"):
        build_page(tmp_path, "", strict=True, failures=failures)


# Figures from reports

CHECK: dict[str, Any] = {
    "check": "logits",
    "dtype": "float64",
    "verdict": "passed",
    "limit": 1e-10,
    "errors": {"numpy": 4e-14, "torch": 5e-14, "jax": 0.0},
}


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of one check, for the current sources."""
    path = tmp_path / "conformance.json"
    report = {"started": "2026-01-02 03:04:05", "fingerprint": "today", "verdict": "passed"}
    path.write_text(json.dumps(report | {"checks": [CHECK]}))
    monkeypatch.setattr(proof, "REPORT", path)
    monkeypatch.setattr(proof.gate, "fingerprint", lambda: "today")
    return path


def test_conformance_figures_are_those_of_the_report(tmp_path: Path, report: Path) -> None:
    assert build_page(tmp_path, "```{conformance} logits\n```", strict=True) == []
    cells = [cell.text for cell in index_of(tmp_path).select("tbody td")]
    assert cells == ["float64", "4.0e-14", "5.0e-14", "0", "1.0e-10", "✓ passed"]


def test_no_report_and_an_old_one_are_told(
    tmp_path: Path, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "```{conformance} logits, taps\n```"
    (told,) = build_page(tmp_path, page)
    assert "not measured: taps; run nox -s conformance" in told
    monkeypatch.setattr(proof.gate, "fingerprint", lambda: "tomorrow")
    old, _ = build_page(tmp_path, page)
    assert "these figures are older than the sources: run nox -s conformance" in old
    report.unlink()
    (none,) = build_page(tmp_path, page)
    assert "not measured: run nox -s conformance" in none
    note = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert '<p class="missing" role="note">not measured: run nox -s conformance</p>' in note


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"verdict": "failed"}, "not all checks passed when these were measured"),
        ({"checks": [CHECK | {"errors": {"numpy": 0.0, "jax": 0.0}}]}, "not measured: PyTorch;"),
    ],
)
def test_a_report_that_proves_less_is_told(
    changed: dict[str, Any], said: str, tmp_path: Path, report: Path
) -> None:
    report.write_text(json.dumps(json.loads(report.read_text()) | changed))
    (told,) = build_page(tmp_path, "```{conformance} logits\n```")
    assert said in told


def test_the_whole_report_is_shown_with_what_its_limits_stand_between(
    tmp_path: Path, report: Path
) -> None:
    row = CHECK | {"noise": 1e-13, "smallest_mutant": None}
    checks = [row | {"check": check} for check in ORDER]
    report.write_text(json.dumps(json.loads(report.read_text()) | {"checks": checks}))
    assert build_page(tmp_path, "```{conformance} everything\n```", strict=True) == []
    page = index_of(tmp_path)
    assert [head.text for head in page.select("tbody th")] == list(ORDER)
    heads = [head.text for head in page.select("thead th")]
    first = [cell.text for cell in page.select("tbody tr")[0].find_all("td")]
    assert dict(zip(heads[2:], first[1:], strict=True)) == {
        **{"NumPy": "4.0e-14", "PyTorch": "5.0e-14", "JAX": "0"},
        **{"noise": "1.0e-13", "limit": "1.0e-10", "smallest mutant": "–", "": "✓ passed"},
    }


def test_what_a_bug_fells_is_that_of_the_last_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fallen, passed = {"test_forward.py::test_taps": "why"}, ["test_inputs.py::test_bad_tokens"]
    found = [Verdict("layer_norm_eps", backend, fallen, passed) for backend in BACKENDS]
    monkeypatch.setattr(verdicts, "REPORT", tmp_path / "mutants.json")
    monkeypatch.setattr(verdicts, "fingerprint", lambda: "today")
    page = "```{mutant} layer_norm_eps\n```"
    (told,) = build_page(tmp_path, page)
    assert "which checks fall in NumPy, PyTorch, JAX was not measured" in told
    verdicts.write_report("today", found[:2])
    (told,) = build_page(tmp_path, page)
    assert "which checks fall in JAX was not measured" in told
    verdicts.write_report("today", found[2:])
    assert build_page(tmp_path, page, strict=True) == []
    text = index_of(tmp_path).text
    assert "config.layer_norm_epsilon" in text
    assert "nox -s break -- layer_norm_eps --backend torch" in text
    assert text.count("1 of 2") == 3
    monkeypatch.setattr(verdicts, "fingerprint", lambda: "tomorrow")
    (told,) = build_page(tmp_path, page)
    assert "before the sources changed" in told


def test_a_figure_is_shown_with_its_words_and_an_old_one_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = Product(losses.PRODUCER, {"a": "</script>"}, "<svg><path/></svg>", "a line", False)
    monkeypatch.setattr(figures, "read", lambda producer: product)
    page = "```{run-figure} losses\nSee.\n```\n\n```{run-data} losses\n```"
    assert build_page(tmp_path, page, strict=True) == []
    shown = index_of(tmp_path)
    assert shown.find(attrs={"role": "img"})["aria-label"] == "a line"
    assert json.loads(shown.find(id="data-losses").string) == {"a": "</script>"}
    product = replace(product, stale=True)
    told = build_page(tmp_path, page)
    assert ["older than the sources: losses" in line for line in told] == [True, True]


def test_losses_are_drawn_in_the_colours_of_the_page() -> None:
    curves = {"numpy": [3.0, 2.5, 2.0], "torch": [3.0, 2.5, 2.0 + 5e-7], "jax": [3.0, 2.5, 2.0]}
    drawing = losses.draw({"steps": 3, "losses": curves})
    assert "never more than 5.0e-07" in drawing.alt
    assert "in 2 steps, nothing" in drawing.alt
    root = ElementTree.fromstring(drawing.svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert "currentColor" in drawing.svg
    assert INK not in drawing.svg
    assert set(re.findall(r'href="#([^"]+)"', drawing.svg)) <= set(ids)


# The command line


def test_a_port_in_use_is_told_before_anything_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--serve", "--port", str(port), "--out", str(tmp_path / "site")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: cannot serve on port {port}: ")
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_server_serves_the_site_to_this_machine(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("hello")
    server = open_server(tmp_path, 0)
    assert server.address.startswith("http://127.0.0.1:")
    thread = Thread(target=server.show)
    thread.start()
    try:
        with urllib.request.urlopen(server.address, timeout=5) as answer:
            assert answer.read() == b"hello"
    finally:
        server.server.shutdown()
        thread.join()


def test_only_a_site_is_ever_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    assert main(["--out", str(tmp_path)]) == 2
    assert "is not a site" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "thesis.txt")]) == 2
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"
