"""The planted bugs fit the sources, the engine tells bugs from healthy code."""

import os
import signal
import time

import pytest

from audits.contained import work_off
from audits.mutants import __main__ as matrix
from audits.mutants import report, show
from audits.mutants.catalogue import CATALOGUE, SEEN, TASKS, THEMES, find
from audits.mutants.judging import SUITE, Task, judge_all
from audits.mutants.mutant import HEALTHY, OPTIMIZER, Edit, Mutant
from audits.mutants.plant import MutantError, mutate
from audits.mutants.report import Verdict

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
    dead = Verdict("swap_qk", "torch", {check: ""}, [])
    monkeypatch.setattr(report, "REPORT", tmp_path / "build" / "mutants.json")
    monkeypatch.setattr(report, "STORED", tmp_path / "stored.json")
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
    monkeypatch.setattr(report, "STORED", tmp_path / "stored.json")
    assert report.read_report() is None
    swapped, other = Verdict("swap_qk", "numpy"), Verdict("swap_qk", "jax")
    taps, loss = "test_forward.py::test_taps", "test_loss.py::test_loss"
    again = Verdict("swap_qk", "numpy", {taps: ""}, [loss], {"taps": 0.5}, f"{taps}[gpt2-float64]")
    report.write_report("today", [swapped, other])
    report.write_report("today", [again])
    assert report.read_report() == report.Report("today", [again, other])
    report.write_report("tomorrow", [swapped])
    assert report.read_report() == report.Report("tomorrow", [swapped])
    gone = Verdict("deleted_since", "jax")
    report.write_report("yesterday", [gone, swapped, other], remember=True)
    report.write_report(now := report.fingerprint(), [again], remember=True)
    assert report.read_report() == report.Report(now, [again, other])
    report.REPORT.write_text('[{"mutant": "swap_qk"}]', encoding="utf-8")
    assert report.read_report() == report.Report("", [again, other])
    assert not report.read_report().stale


def test_what_is_stored_is_of_the_mutants_and_checks_that_there_are() -> None:
    """`nox -s mutants -- --remember` stores it; `-- NAME --remember` is enough for a new one."""
    stored = report._read(report.STORED)
    assert {(v.mutant, v.backend) for v in stored.verdicts} == TASKS
    assert all(v.killed == (v.mutant != HEALTHY.name) for v in stored.verdicts)
    files = {path.name: path.read_text(encoding="utf-8") for path in SUITE.rglob("test_*.py")}
    for check in {check for v in stored.verdicts for check in (*v.fallen, *v.passed)} - {"process"}:
        file, _, function = check.partition("::")
        assert f"def {function.rpartition('::')[2]}(" in files.get(file, ""), check


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
