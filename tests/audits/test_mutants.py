"""The catalogue of planted bugs fits the sources, and the engine tells bugs from healthy code."""

from pathlib import Path

import pytest

from audits.mutants import __main__ as matrix
from audits.mutants import plant, report, show
from audits.mutants.catalogue import CATALOGUE, THEMES
from audits.mutants.entries import museum
from audits.mutants.judging import Verdict
from audits.mutants.mutant import Edit, Mutant
from audits.mutants.workers import judge_all
from shared.protocol import BACKENDS

PLANTED = [(mutant, backend) for mutant in CATALOGUE.values() for backend in mutant.edits]


@pytest.mark.parametrize(("mutant", "backend"), PLANTED, ids=lambda x: getattr(x, "name", x))
def test_every_bug_can_be_planted_and_compiles(mutant: Mutant, backend: str) -> None:
    healthy, sources = plant.mutate(None, backend), plant.mutate(mutant, backend)
    assert sources != healthy
    for name, source in sources.items():
        compile(source, name, "exec")


def test_there_are_enough_and_their_names_are_their_own() -> None:
    assert len(CATALOGUE) == sum(len(theme.MUTANTS) for theme in THEMES) >= 40
    for backend in BACKENDS:
        assert sum(backend in mutant.edits for mutant in CATALOGUE.values()) >= 30
    for mutant in CATALOGUE.values():
        assert mutant.name.isidentifier()
        assert len(mutant.story.splitlines()) == 1
        assert mutant.edits


def test_the_museum_shows_bugs_of_the_catalogue() -> None:
    assert set(museum.SEEN) <= set(CATALOGUE)
    sources = [source for mutant in CATALOGUE.values() for source in mutant.seen]
    assert len(set(sources)) == len(sources) >= 30
    with pytest.raises(ValueError, match="no mutant with a thread"):
        museum.read("swap_qk: somebody/something 12\n    exchanged")


def test_sources_that_have_changed_are_noticed() -> None:
    stale = Mutant.of("stale", "", numpy=Edit("model.py", "no such line", ""))
    with pytest.raises(plant.MutantError, match=r"stale no longer fits impls/numpy/model\.py"):
        plant.mutate(stale, "numpy")


def test_mutants_live_outside_the_tree_under_their_own_name(tmp_path: Path) -> None:
    package = plant.plant(CATALOGUE["swap_qk"], "torch", tmp_path)
    assert package == "swap_qk_torch"
    for path in (tmp_path / package).glob("*.py"):
        assert "impls.torch" not in path.read_text(encoding="utf-8")


def test_the_suite_kills_mutants_and_spares_the_healthy() -> None:
    """One process, so that the healthy copy is judged after the sick ones."""
    names = ("swap_qk", "tied_grad_forgets_one", "weights_rounded", None)
    swapped, tied, rounded, healthy = judge_all([(name, "numpy") for name in names], processes=1)
    assert healthy.fallen == {}
    assert len(healthy.passed) > 20
    assert "test_forward.py::test_taps" in swapped.fallen
    assert "test_forward.py::test_taps" in tied.passed
    assert "test_gradients.py::test_gradients" in tied.fallen
    assert 1e-10 < rounded.errors["logits"] < 1e-6
    assert rounded.errors["weights kept"] > 0
    assert "bigram" not in rounded.errors, "only those of the rows that it did not pass"


def test_the_matrix_fails_when_a_mutant_survives(monkeypatch, tmp_path, capsys) -> None:
    check = "test_forward.py::test_taps"
    alive = Verdict("swap_qk", "numpy", {}, [check])
    dead = Verdict("swap_qk", "torch", {check: "wrong"}, [])
    monkeypatch.setattr(report, "REPORT", tmp_path / "build" / "mutants.json")
    monkeypatch.setattr(matrix, "run", lambda *_: [alive, dead])
    assert matrix.main(["swap_qk"]) == 1
    assert "survived: swap_qk in numpy" in capsys.readouterr().out
    assert report.read_report() == report.Report(report.fingerprint(), [alive, dead])
    monkeypatch.setattr(matrix, "run", lambda *_: [dead])
    assert matrix.main(["swap_qk"]) == 0
    assert matrix.idle_checks([alive]) == [check]
    assert matrix.idle_checks([alive, dead]) == []


def test_a_report_keeps_what_the_same_sources_have_shown(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(report, "REPORT", tmp_path / "mutants.json")
    assert report.read_report() is None
    swapped, other = Verdict("swap_qk", "numpy"), Verdict("swap_qk", "jax")
    again = Verdict("swap_qk", "numpy", {"test_forward.py::test_taps": "wrong"})
    report.write_report("today", [swapped, other])
    report.write_report("today", [again])
    assert report.read_report() == report.Report("today", [again, other])
    report.write_report("tomorrow", [swapped])
    assert report.read_report() == report.Report("tomorrow", [swapped])
    report.REPORT.write_text('[{"mutant": "swap_qk"}]', encoding="utf-8")
    assert report.read_report() is None


def test_smallest_errors_are_those_that_the_limits_speak_of(monkeypatch) -> None:
    caught = [
        Verdict("swap_qk", "numpy", errors={"logits": 3e-5, "same text": 2.0}),
        Verdict("swap_qk", "torch", errors={"logits": 2e-5}),
    ]
    assert matrix.smallest_errors(caught) == {"logits": 2e-5}, "what is exact has no smallest"
    noted: dict[str, dict[str, float]] = {"logits": {"float64": 2.1e-5}}
    monkeypatch.setattr(matrix, "SMALLEST_MUTANT", noted)
    assert matrix.stale_limits(caught) == []
    noted["logits"]["float64"] = 1e-6
    assert matrix.stale_limits(caught) == [], "larger than promised"
    noted["logits"]["float64"] = 4e-5
    assert matrix.stale_limits(caught) == ['"logits": {"float64": 2.0e-05}']
    noted.clear()
    assert matrix.stale_limits(caught) == ['"logits": {"float64": 2.0e-05}']


def test_bugs_are_listed_with_their_stories(capsys: pytest.CaptureFixture) -> None:
    assert show.main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in CATALOGUE)
