"""The planted bugs fit the sources, the engine tells bugs from healthy code."""

import os
import signal
import time

import pytest

from audits.contained import work_off
from audits.mutants import __main__ as matrix
from audits.mutants import report, show
from audits.mutants.catalogue import CATALOGUE, SEEN, THEMES, find
from audits.mutants.judging import Task, Verdict, judge_all
from audits.mutants.mutant import HEALTHY, OPTIMIZER, Edit, Mutant
from audits.mutants.plant import MutantError, mutate

PLANTED = [(mutant, backend) for mutant in CATALOGUE.values() for backend in mutant.edits]


@pytest.mark.parametrize(("mutant", "backend"), PLANTED, ids=lambda x: getattr(x, "name", x))
def test_every_bug_can_be_planted_and_compiles(mutant: Mutant, backend: str) -> None:
    healthy, sources = mutate(HEALTHY, backend), mutate(mutant, backend)
    assert sources != healthy
    for name, source in sources.items():
        compile(source, name, "exec")


def test_names_are_their_own_and_the_museum_shows_bugs_of_the_catalogue() -> None:
    assert len(CATALOGUE) == sum(len(theme.mutants) for theme in THEMES)
    assert set(SEEN) <= set(CATALOGUE)
    sources = [source for mutant in CATALOGUE.values() for source in mutant.seen]
    assert len(set(sources)) == len(sources) >= 30
    for source in sources:
        assert source.repository.count("/") == 1
        assert source.thread.removeprefix("#").isdecimal()


def test_sources_that_have_changed_are_noticed() -> None:
    stale = Mutant("stale", "", {"numpy": (Edit("model.py", "no such line", ""),)})
    with pytest.raises(MutantError, match=r"stale no longer fits impls/numpy/model\.py"):
        mutate(stale, "numpy")


def test_the_suite_kills_a_mutant_and_spares_the_healthy() -> None:
    """One process, so that the healthy copy is judged after the sick one."""
    tasks = [(find("weights_rounded"), "numpy"), (HEALTHY, "numpy")]
    rounded, healthy = judge_all(tasks, processes=1)
    assert healthy.fallen == {}
    assert len(healthy.passed) > 20
    assert "test_forward.py::test_weights_are_kept" in rounded.fallen
    assert "test_bigram.py::test_training" in rounded.passed
    assert 1e-10 < rounded.errors["logits"] < 1e-6
    assert rounded.errors["weights kept"] > 0
    assert "bigram" not in rounded.errors, "only those of the rows that it did not pass"


def test_the_matrix_fails_when_a_mutant_survives(monkeypatch, tmp_path, capsys) -> None:
    check = "test_forward.py::test_taps"
    alive = Verdict("swap_qk", "numpy", {}, [check])
    dead = Verdict("swap_qk", "torch", {check: "wrong"}, [])
    monkeypatch.setattr(report, "REPORT", tmp_path / "build" / "mutants.json")
    monkeypatch.setattr(matrix, "judge_all", lambda *_: [alive, dead])
    assert matrix.main(["swap_qk"]) == 1
    out = capsys.readouterr().out
    assert "swap_qk in torch: 1 fell, first test_forward.py::test_taps\n" in out
    assert "survived: swap_qk in numpy" in out
    assert report.read_report() == report.Report(report.fingerprint(), [alive, dead])
    monkeypatch.setattr(matrix, "judge_all", lambda *_: [dead])
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


def test_bugs_are_listed_with_their_stories(capsys: pytest.CaptureFixture) -> None:
    assert show.main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in CATALOGUE)


def test_the_suite_stops_at_the_first_check_that_falls() -> None:
    """Also before it: a mutant that cannot be imported counts as killed."""
    source = mutate(HEALTHY, "numpy")["optim.py"]
    wrong = source.replace("self.count += 1", "self.count += 2")
    broken = source.replace("import math", "import no_such_module")
    edits = {"wrong": wrong, "broken": broken}
    tasks: list[Task] = [
        (Mutant(name, "", {"numpy": (Edit("optim.py", source, new),)}, OPTIMIZER), "numpy")
        for name, new in edits.items()
    ]
    first, second = judge_all(tasks, processes=1, first=True)
    assert len(first.fallen) == 1
    assert "suite" not in first.fallen
    assert list(second.fallen) == ["suite"]


def test_a_crash_or_a_hang_is_that_task_s_own() -> None:
    """Leftovers of earlier tasks may end a process: the next task is then tried again."""
    found = dict(work_off(troubled, ["a", "b", "c", "crash", "hang", "d"], 15.0, processes=1))
    assert found == {
        **{name: f"done {name}" for name in "abcd"},
        **{"crash": "the process ended", "hang": "no end after 15 s"},
    }


DONE: list[str] = []


def troubled(task: str) -> str:
    """Crashes at "crash", and whenever it has done two tasks; never ends at "hang"."""
    if task == "crash" or len(DONE) == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "hang":
        time.sleep(600)
    DONE.append(task)
    return f"done {task}"
