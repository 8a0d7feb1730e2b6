"""The site: its pages and their contents, and figures from reports and runs."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from audits.mutants import report as verdicts
from audits.mutants.catalogue import CATALOGUE
from audits.mutants.report import Verdict
from conformance.limits import ORDER
from docs.browser import picture
from docs.extensions.code import model_map
from docs.extensions.proofs import proof
from docs.producers import losses, modes
from docs.producers.drawing import INK
from shared.protocol import BACKENDS
from shared.sources import ROOT
from shared.taps import tap_names
from tests.docs.conftest import Site, build_quietly, read_page

DOCS = ROOT / "docs"
PAGES = sorted((DOCS / "pages").glob("*.md"))

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


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_has_all_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# ")
    for part, written in PARTS.items():
        assert re.search(written, text, re.MULTILINE), f"{page.name} has not {part}"
    assert all(len(line) <= 120 for line in text.splitlines())


def test_the_site_is_whole(tmp_path: Path) -> None:
    """The real one, of which figures and pages to be written may be missing."""
    out = tmp_path / "site"
    missing = "not written yet|not measured|older than the sources|before the sources changed"
    others = [line for line in build_quietly(DOCS, out) if not re.search(missing, line)]
    assert not others, "\n".join(others)
    pages = {path.stem: read_page(path) for path in out.rglob("*.html")}
    assert len(pages) > len(PAGES)
    for name, page in pages.items():
        ids = [tag["id"] for tag in page.find_all(id=True)]
        assert len(ids) == len(set(ids)), name
    assert len(pages["03-attention-in-four-steps"].select("math")) > 10
    links = [box["href"] for box in pages["index"].select(".hero a.tap")]
    assert links == [f"pages/{page}.html" for page in model_map.PAGES.values()]
    assert list(model_map.PAGES) == tap_names(model_map.MODEL)
    here = pages["05-layernorm-and-residuals"].select(".where [aria-current=page]")
    assert [box.text for box in here] == ["ln_1", "ln_2"]
    assert 50_000 < (out / "_static" / "STIXTwoMath.woff").stat().st_size < 300_000


# Figures from reports

CHECK: dict[str, Any] = {
    **{"check": "logits", "dtype": "float64", "verdict": "passed", "limit": 1e-10},
    "errors": {"numpy": 4e-14, "torch": 5e-14, "jax": 0.0},
}


def write_report(**changed: Any) -> None:
    report = {"started": "2026-01-02 03:04:05", "fingerprint": "today", "verdict": "passed"}
    proof.REPORT.write_text(json.dumps(report | {"checks": [CHECK]} | changed))


WITHOUT_TORCH = CHECK | {"errors": {"numpy": 0.0, "jax": 0.0}}


@pytest.mark.parametrize(
    ("changed", "checks", "said"),
    [
        ({}, "logits; taps", "not measured: taps; run nox -s conformance"),
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
    row = CHECK | {"noise": 1e-13}
    write_report(checks=[row | {"check": check} for check in ORDER])
    assert site.build("```{conformance} everything\n```", strict=True) == []
    page = site.page()
    assert [head.text for head in page.select("tbody th")] == list(ORDER)
    heads = [head.text for head in page.select("thead th")]
    first = [cell.text for cell in page.select("tbody tr")[0].find_all("td")]
    assert dict(zip(heads[2:], first[1:], strict=True)) == {
        **{"NumPy": "4.0e-14", "PyTorch": "5.0e-14", "JAX": "0"},
        **{"noise": "1.0e-13", "limit": "1.0e-10", "": "✓ passed"},
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


def test_losses_in_bfloat16_are_drawn_beside_those_in_float32() -> None:
    drawing = modes.draw_losses({"torch": [3, 2], "torch@bf16": [3, 2.5], "jax@bf16": [3, 2]})
    assert "torch@bf16: never more than 5.0e-01, on average 2.5e-01" in drawing.alt
    assert "jax@bf16: never more than 0.0e+00" in drawing.alt


# The kill matrix: the last run of the mutants

TAPS, LOSS = "test_forward.py::test_taps", "test_loss.py::test_loss"
INPUTS = "test_inputs.py::test_bad_tokens"
MATRIX = "```{kill-matrix}\n```"
HEALTHY = [Verdict("healthy", backend, {}, [TAPS, LOSS, INPUTS]) for backend in BACKENDS]


def run_of_all(*changed: Verdict) -> list[Verdict]:
    """Every mutant killed by the taps, in every backend that it is planted in."""
    planted = [(name, backend) for name, mutant in CATALOGUE.items() for backend in mutant.edits]
    verdicts = [Verdict(*task, {TAPS: "why"}, [LOSS]) for task in planted]
    own = {(v.mutant, v.backend): v for v in changed}
    return HEALTHY + [own.get((v.mutant, v.backend), v) for v in verdicts]


def row_of(page: Any, mutant: str) -> Any:
    return next(row for row in page.select("tbody tr") if row.th.text == mutant)


def test_a_cell_says_in_which_backends_a_check_killed(site: Site) -> None:
    found = run_of_all(Verdict("swap_qk", "torch", {TAPS: "", LOSS: ""}, []))
    verdicts.write_report("today", found)
    assert site.build(MATRIX, strict=True) == []
    page = site.page()
    heads = [head.text for head in page.select("thead th")]
    assert heads == ["forward", "inputs", "loss", "taps", "bad tokens", "loss"]
    only_numpy = next(name for name, m in CATALOGUE.items() if set(m.edits) == {"numpy"})
    for mutant, cells in {"swap_qk": ["NPJ", "", "P"], only_numpy: ["N", "", "·"]}.items():
        assert [cell.text for cell in row_of(page, mutant).find_all("td")] == cells
    row = row_of(page, "swap_qk")
    assert [cell.get("class") for cell in row.find_all("td")] == [["k7"], None, ["k2"]]
    assert row["data-story"] == CATALOGUE["swap_qk"].story
    assert (row["data-torch"], row["data-jax"]) == ("2 of 2", "1 of 2")
    planted = len(found) - len(HEALTHY)
    assert [cell.text for cell in page.select("tfoot td")] == [str(planted), "0", "1"]
    assert f"{planted} of {planted} planted bugs were killed" in page.caption.text
    assert [row.th.text for row in page.select("tbody tr[data-story]")] == list(CATALOGUE)
    titles = [head.text for head in page.select("tbody th[scope=rowgroup]")]
    assert "LayerNorm, and where in the block it stands" in titles


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


def test_the_picture_in_the_readme_shows_the_code_as_it_is() -> None:
    assert picture.fingerprint_in_picture() == picture.fingerprint(), (
        "the picture in README.md shows code that has changed: nox -s browser -- --update-readme"
    )
