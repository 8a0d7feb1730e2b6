"""The site: its pages and their contents, and figures from reports and runs."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

from audits.mutants import report as verdicts
from audits.mutants.catalogue import CATALOGUE
from audits.mutants.judging import Verdict
from conformance.limits import ORDER
from docs.browser import __main__ as browser
from docs.browser import picture
from docs.build import main
from docs.data import Product
from docs.extensions.proofs import kills, proof
from docs.producers import losses
from docs.producers.drawing import INK
from shared.protocol import BACKENDS
from shared.sources import ROOT
from tests.docs.conftest import Site, build_quietly, read_page

Built = tuple[Path, list[str]]
DOCS = ROOT / "docs"
PAGES = sorted((DOCS / "pages").glob("*.md"))

MAY_BE_MISSING = (
    "not written yet",
    "not measured",
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
    assert [int(page.name[:2]) for page in PAGES] == list(range(1, 18))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_has_all_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# ")
    for part, written in PARTS.items():
        assert re.search(written, text, re.MULTILINE), f"{page.name} has not {part}"
    assert all(len(line) <= 120 for line in text.splitlines())


# The site; docs/browser/ opens its pages in a browser


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The real site, built with the existing figures, and a list of what is missing."""
    out = tmp_path_factory.mktemp("site") / "site"
    return out, build_quietly(DOCS, out)


@pytest.fixture(scope="module")
def pages(built: Built) -> dict[str, Any]:
    """The pages of the real site, by their place in it."""
    return {
        path.relative_to(built[0]).with_suffix("").as_posix(): read_page(path)
        for path in built[0].rglob("*.html")
    }


def test_nothing_is_wrong_with_the_site(built: Built) -> None:
    others = [line for line in built[1] if not any(kind in line for kind in MAY_BE_MISSING)]
    assert not others, "\n".join(others)


def test_ids_are_unique(pages: dict[str, Any]) -> None:
    for name, page in pages.items():
        ids = [tag["id"] for tag in page.find_all(id=True)]
        assert len(ids) == len(set(ids)), name


def test_equations_are_mathml_in_a_font_of_the_site(built: Built, pages: dict[str, Any]) -> None:
    equations = pages["pages/03-attention-in-four-steps"].find_all("math")
    assert len(equations) > 10
    assert any(equation.find("msqrt") for equation in equations)
    assert 50_000 < (built[0] / "_static" / "STIXTwoMath.woff").stat().st_size < 300_000


# Figures from reports

CHECK: dict[str, Any] = {
    "check": "logits",
    "dtype": "float64",
    "verdict": "passed",
    "limit": 1e-10,
    "errors": {"numpy": 4e-14, "torch": 5e-14, "jax": 0.0},
}


def write_report(**changed: Any) -> None:
    report = {"started": "2026-01-02 03:04:05", "fingerprint": "today", "verdict": "passed"}
    proof.REPORT.write_text(json.dumps(report | {"checks": [CHECK]} | changed))


def test_conformance_figures_are_those_of_the_report(site: Site) -> None:
    write_report()
    assert site.build("```{conformance} logits\n```", strict=True) == []
    cells = [cell.text for cell in site.page().select("tbody td")]
    assert cells == ["float64", "4.0e-14", "5.0e-14", "0", "1.0e-10", "✓ passed"]


WITHOUT_TORCH = CHECK | {"errors": {"numpy": 0.0, "jax": 0.0}}


@pytest.mark.parametrize(
    ("changed", "checks", "said"),
    [
        ({}, "logits, taps", "not measured: taps; run nox -s conformance"),
        ({"fingerprint": ""}, "logits", "these figures are older than the sources: run nox -s c"),
        ({"verdict": "failed"}, "logits", "not all checks passed when these were measured"),
        ({"checks": [WITHOUT_TORCH]}, "logits", "not measured: PyTorch;"),
    ],
)
def test_a_report_that_proves_less_is_told(changed, checks, said, site) -> None:
    write_report(**changed)
    (told,) = site.build(f"```{{conformance}} {checks}\n```")
    assert said in told


def test_the_whole_report_is_shown_with_what_its_limits_stand_between(site: Site) -> None:
    row = CHECK | {"noise": 1e-13, "smallest_mutant": None}
    write_report(checks=[row | {"check": check} for check in ORDER])
    assert site.build("```{conformance} everything\n```", strict=True) == []
    page = site.page()
    assert [head.text for head in page.select("tbody th")] == list(ORDER)
    heads = [head.text for head in page.select("thead th")]
    first = [cell.text for cell in page.select("tbody tr")[0].find_all("td")]
    assert dict(zip(heads[2:], first[1:], strict=True)) == {
        **{"NumPy": "4.0e-14", "PyTorch": "5.0e-14", "JAX": "0"},
        **{"noise": "1.0e-13", "limit": "1.0e-10", "smallest mutant": "–", "": "✓ passed"},
    }


def test_what_a_bug_fells_is_that_of_the_last_run(site: Site) -> None:
    fallen, passed = {"test_forward.py::test_taps": "why"}, ["test_inputs.py::test_bad_tokens"]
    found = [Verdict("layer_norm_eps", backend, fallen, passed) for backend in BACKENDS]
    page = "```{mutant} layer_norm_eps\n```"
    verdicts.write_report("today", found[:2])
    (told,) = site.build(page)
    assert "which checks fall in JAX was not measured" in told
    verdicts.write_report("today", found[2:])
    assert site.build(page, strict=True) == []
    text = site.page().text
    assert "config.layer_norm_epsilon" in text
    assert "nox -s break -- layer_norm_eps --backend torch" in text
    assert text.count("1 of 2") == 3
    verdicts.write_report("yesterday", found)
    (told,) = site.build(page)
    assert "before the sources changed" in told


def test_a_figure_is_shown_with_its_words_and_its_numbers(site: Site) -> None:
    data = {"a": "</script>"}
    site.figure = Product(losses.PRODUCER, data, "<svg><path/></svg>", "a line", stale=False)
    page = "```{run-figure} losses\nSee.\n```\n\n```{run-data} losses\n```"
    assert site.build(page, strict=True) == []
    shown = site.page()
    assert shown.find(attrs={"role": "img"})["aria-label"] == "a line"
    assert json.loads(shown.find(id="data-losses").string) == data


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


# The kill matrix: the last run of the mutants

TAPS, LOSS, INPUTS = (
    "test_forward.py::test_taps",
    "test_loss.py::test_loss",
    "test_inputs.py::test_bad_tokens",
)
HEALTHY = [Verdict("healthy", backend, {}, [TAPS, LOSS, INPUTS]) for backend in BACKENDS]


def run_of_all(*changed: Verdict) -> list[Verdict]:
    """Every mutant killed by the taps, in every backend that it is planted in."""
    verdicts = [
        Verdict(name, backend, {TAPS: "why"}, [LOSS])
        for name, mutant in CATALOGUE.items()
        for backend in mutant.edits
    ]
    own = {(v.mutant, v.backend): v for v in changed}
    return HEALTHY + [own.get((v.mutant, v.backend), v) for v in verdicts]


def cells_of(page: Any, mutant: str) -> list[str]:
    (row,) = [row for row in page.select("tbody tr") if row.th.text == mutant]
    return [cell.text for cell in row.find_all("td")]


def test_a_cell_says_in_which_backends_a_check_killed() -> None:
    swapped = Verdict("swap_qk", "torch", {TAPS: "", LOSS: ""}, [])
    found = run_of_all(swapped)
    page = BeautifulSoup(kills.matrix(found), "html.parser")
    heads = [head.text for head in page.select("thead th[scope=col]")]
    assert heads == ["taps", "bad tokens", "loss"]
    groups = [head.text for head in page.select("th[scope=colgroup]")]
    assert groups == ["forward", "inputs", "loss"]
    assert cells_of(page, "swap_qk") == ["NPJ", "", "P"]
    only_numpy = next(name for name, m in CATALOGUE.items() if set(m.edits) == {"numpy"})
    assert cells_of(page, only_numpy) == ["N", "", "·"]
    classes = [cell.get("class") for cell in page.select("tbody td") if cell.text in ("P", "NPJ")]
    assert ["k2"] in classes
    assert ["k7"] in classes
    (row,) = [row for row in page.select("tbody tr") if row.th.text == "swap_qk"]
    assert row["data-story"] == CATALOGUE["swap_qk"].story
    assert (row["data-torch"], row["data-jax"]) == ("2 of 2", "1 of 2")
    planted = len(found) - len(HEALTHY)
    assert [cell.text for cell in page.select("tfoot td")] == [str(planted), "0", "1"]
    assert f"{planted} of {planted} planted bugs were killed" in page.caption.text
    assert [row.th.text for row in page.select("tbody tr[data-story]")] == list(CATALOGUE)
    titles = [head.text for head in page.select("th[scope=rowgroup]")]
    assert "LayerNorm, and where in the block it stands" in titles
    assert len(titles) == len(page.select("tbody"))


def test_a_process_that_ended_is_a_column() -> None:
    hung = Verdict("swap_qk", "numpy", {"process": "no end after 120 s"}, [])
    page = BeautifulSoup(kills.matrix(run_of_all(hung)), "html.parser")
    assert [head.text for head in page.select("thead th[scope=col]")][-1] == "loss"
    assert "process" in [head.text for head in page.select("th[scope=colgroup]")]
    assert cells_of(page, "swap_qk")[0] == "N"


MATRIX = "```{kill-matrix}\n```"


def test_a_run_of_all_is_shown(site: Site) -> None:
    verdicts.write_report("today", run_of_all())
    assert site.build(MATRIX, strict=True) == []
    assert site.page().find(attrs={"data-play": "kills"})
    assert "kills.js" in str(site.page())


def test_what_is_missing_or_old_is_told(site: Site) -> None:
    def told(fingerprint: str, found: list[Verdict]) -> str:
        verdicts.REPORT.unlink(missing_ok=True)
        verdicts.write_report(fingerprint, found)
        (line,) = site.build(MATRIX)
        return line.partition("WARNING: ")[2]

    wanted = sum(len(mutant.edits) for mutant in CATALOGUE.values()) + len(BACKENDS)
    old = "what fell was measured before the sources changed: run nox -s mutants"
    assert told("yesterday", run_of_all()) == old
    absent = f"not measured: {wanted - 3} of {wanted}; run nox -s mutants"
    assert told("today", HEALTHY) == absent
    alive = Verdict("swap_qk", "jax", {}, [TAPS])
    assert told("today", run_of_all(alive)) == "swap_qk in jax survived"
    sick = Verdict("healthy", "jax", {TAPS: "why"}, [])
    assert told("today", [*run_of_all(), sick]) == "healthy in jax fell, though it is healthy"


# The picture in README.md


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


# The command line


def test_only_a_site_is_ever_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    assert main(["--out", str(tmp_path)]) == 2
    assert "is not a site" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "thesis.txt")]) == 2
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"


# `nox -s browser`

INSTALL = "install Chromium and its driver (Debian: apt install chromium chromium-driver)"
NEEDED = {
    "bin/chromium": f"there is no Chromium here: {INSTALL}",
    "bin/chromedriver": f"there is no chromedriver here: {INSTALL}",
    "site/index.html": "there is no site in {site}: build it with nox -s docs",
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a browser, its driver and a site; its programs are in `bin`."""
    for place in NEEDED:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("MINIGPT_SITE", str(tmp_path / "site"))
    return tmp_path


@pytest.mark.parametrize("missing", NEEDED)
def test_what_the_browser_tests_lack_is_said_in_one_line(missing, machine, capsys) -> None:
    (machine / missing).unlink()
    assert browser.main([]) == 2
    said = NEEDED[missing].format(site=machine / "site")
    assert capsys.readouterr().err == f"error: {said}\n"
