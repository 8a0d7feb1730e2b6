"""The kill matrix: the last run of the mutants as a table."""

from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from audits.mutants import report
from audits.mutants.catalogue import CATALOGUE
from audits.mutants.judging import Verdict
from docs.extensions.proofs import kills
from shared.protocol import BACKENDS
from tests.docs.test_docs import build_page

pytestmark = pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx")

TAPS, LOSS, INPUTS = (
    "test_forward.py::test_taps",
    "test_loss.py::test_loss",
    "test_inputs.py::test_bad_tokens",
)
HEALTHY = [Verdict("healthy", backend, {}, [TAPS, LOSS, INPUTS]) for backend in BACKENDS]


def run_of_all(**changed: Verdict) -> list[Verdict]:
    """Every mutant killed by the taps, in every backend that it is planted in."""
    verdicts = [
        Verdict(name, backend, {TAPS: "why"}, [LOSS])
        for name, mutant in CATALOGUE.items()
        for backend in mutant.edits
    ]
    own = {(v.mutant, v.backend): v for v in changed.values()}
    return HEALTHY + [own.get((v.mutant, v.backend), v) for v in verdicts]


def cells_of(page: Any, mutant: str) -> list[str]:
    (row,) = [row for row in page.select("tbody tr") if row.th.text == mutant]
    return [cell.text for cell in row.find_all("td")]


def test_a_cell_says_in_which_backends_a_check_killed() -> None:
    swapped = Verdict("swap_qk", "torch", {TAPS: "", LOSS: ""}, [])
    verdicts = run_of_all(swapped=swapped)
    page = BeautifulSoup(kills.matrix(verdicts), "html.parser")
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
    planted = len(verdicts) - len(HEALTHY)
    assert [cell.text for cell in page.select("tfoot td")] == [str(planted), "0", "1"]
    assert f"{planted} of {planted} planted bugs were killed" in page.caption.text
    assert [row.th.text for row in page.select("tbody tr[data-story]")] == list(CATALOGUE)
    titles = [head.text for head in page.select("th[scope=rowgroup]")]
    assert "LayerNorm, and where in the block it stands" in titles
    assert len(titles) == len(page.select("tbody"))


def test_a_process_that_ended_is_a_column() -> None:
    hung = Verdict("swap_qk", "numpy", {"process": "no end after 120 s"}, [])
    page = BeautifulSoup(kills.matrix(run_of_all(hung=hung)), "html.parser")
    assert [head.text for head in page.select("thead th[scope=col]")][-1] == "loss"
    assert "process" in [head.text for head in page.select("th[scope=colgroup]")]
    assert cells_of(page, "swap_qk")[0] == "N"


MATRIX = "```{kill-matrix}\n```"


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of the current sources."""
    monkeypatch.setattr(report, "REPORT", tmp_path / "mutants.json")
    monkeypatch.setattr(report, "fingerprint", lambda: "today")
    report.write_report("today", run_of_all())
    return tmp_path / "mutants.json"


def test_a_run_of_all_is_shown(tmp_path: Path, reported: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    assert build_page(site, MATRIX, strict=True) == []
    page = (site / "out" / "index.html").read_text(encoding="utf-8")
    assert 'data-play="kills"' in page
    assert "kills.js" in page


def test_what_is_missing_or_old_is_told(
    tmp_path: Path, reported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        (line,) = build_page(tmp_path, MATRIX)
        return line.partition("WARNING: ")[2]

    wanted = sum(len(mutant.edits) for mutant in CATALOGUE.values()) + len(BACKENDS)
    monkeypatch.setattr(report, "fingerprint", lambda: "tomorrow")
    assert told() == "what fell was measured before the sources changed: run nox -s mutants"
    report.write_report("tomorrow", HEALTHY)
    assert told() == f"not measured: {wanted - 3} of {wanted}; run nox -s mutants"
    alive = Verdict("swap_qk", "jax", {}, [TAPS])
    report.write_report("tomorrow", run_of_all(alive=alive))
    assert told() == "swap_qk in jax survived"
    sick = Verdict("healthy", "jax", {TAPS: "why"}, [])
    report.write_report("tomorrow", [*run_of_all(), sick])
    assert told() == "healthy in jax fell, though it is healthy"
    reported.unlink()
    assert told() == "not measured: run nox -s mutants"
