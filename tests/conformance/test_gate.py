"""The gate: on a small repository only the suite itself can open it; and when it is not asked."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from conformance import gate
from shared import sources
from tests.command_line import ROOT, run_python

PASSES = "def test_passes(recorder): pass\n"
DESELECT = "def pytest_collection_modifyitems(items): items[:] = items[:1]\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with two tests, and three backends of which all are NumPy's."""
    root = tmp_path_factory.mktemp("template") / "root"
    bare = shutil.ignore_patterns("test_*.py", "fuzz", "__pycache__")
    for name in ("shared", "conformance"):
        shutil.copytree(ROOT / name, root / name, ignore=bare)
    for backend in ("numpy", "torch", "jax"):
        shutil.copytree(ROOT / "impls" / "numpy", root / "impls" / backend, ignore=bare)
    for name in ("pyproject.toml", "constraints.txt", "impls/__init__.py"):
        shutil.copy(ROOT / name, root / name)
    for name in ("one", "two"):
        (root / "conformance" / f"test_{name}.py").write_text(PASSES)
    return root


@pytest.fixture
def house(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "house"))


def start(house: Path, *words: str) -> subprocess.Popen[str]:
    how = {"cwd": house, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *words], **how)


def stamp(house: Path) -> Path:
    return house / gate.STAMP.relative_to(ROOT)


def test_of_two_at_once_one_runs_the_suite_and_the_other_waits(house: Path) -> None:
    both = [start(house, "-m", "conformance.gate") for _ in range(2)]
    errs = sorted(run.communicate(timeout=100)[1] for run in both)
    assert [run.returncode for run in both] == [0, 0]
    assert errs[0] == ""
    assert "waiting for the suite that runs in another process" in errs[1]
    assert "skipped" in errs[1]
    assert errs[1].count("\n") == 2
    assert stamp(house).exists()
    report = json.loads((house / "build" / "conformance.json").read_text())
    assert report["collected"] == report["tests"]["passed"] == 2


def test_nothing_outside_hides_a_test_that_fails(house: Path) -> None:
    """Each of these alone would have pytest end well."""
    (house / "conformance" / "test_two.py").write_text(f"{PASSES}def test_fails(): assert False\n")
    (house / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    (house / "conftest.py").write_text(DESELECT)
    (house / "deselect.py").write_text(DESELECT)
    outside = {"PYTEST_ADDOPTS": "--collect-only", "PYTEST_PLUGINS": "deselect"}
    environment = os.environ | outside | {"PYTHONPATH": ".", "PYTHONOPTIMIZE": "1"}
    done = run_python("-m", "conformance.gate", cwd=house, env=environment, timeout=100)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 2 passed" in done.stdout
    assert not stamp(house).exists()


LISTENING = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("conformance.gate", run_name="__main__")
"""
"""The gate, hearing Ctrl-C, which a shell switches off for what it runs in the background."""


@pytest.mark.skipif(os.name == "nt", reason="no signals, no process groups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_ctrl_c_ends_all_processes_with_one_line(house: Path, number: int) -> None:
    slow = (
        "import os, pathlib, time\n"
        "def test_slow():\n"
        "    pathlib.Path(f'{os.getpid()}.pid').touch()\n"
        "    time.sleep(999)\n"
    )
    for name in ("one", "two"):
        (house / "conformance" / f"test_{name}.py").write_text(slow)
    with start(house, "-c", LISTENING) as run:
        deadline = time.monotonic() + 300
        while len(list(house.glob("*.pid"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run.send_signal(number)
        _, err = run.communicate(timeout=300)  # to its end: nobody is left who could write to it
    assert run.returncode == 130
    assert err.strip() == "stopped"
    assert not stamp(house).exists()


REPORT = {
    "fingerprint": "now",
    "collected": 3,
    "tests": {"passed": 3, "failed": 0, "skipped": 0},
    "durations": {"conformance/test_one.py::test_a": 0.1, "conformance/a/test_two.py::test_b": 0.1},
}


@pytest.mark.parametrize(
    ("changes", "now", "message"),
    [
        ({}, "now", ""),
        ({"tests": {"passed": 2}}, "now", "2 of 3 tests have passed"),
        ({"collected": 0, "tests": {"passed": 0}}, "now", "0 of 0 tests have passed"),
        ({"durations": {"conformance/test_one.py::a": 1}}, "now", "a/test_two.py has not run"),
        ({}, "later", "sources have changed while the suite ran"),
        ({"tests": None}, "now", "the suite has not left a report"),
    ],
)
def test_only_the_whole_suite_is_a_proof(changes, now, message, tmp_path, monkeypatch) -> None:
    files = ("test_one.py", "a/test_two.py", "a/data.py", "a/.test_two.py.swp", gate.LARGE[12:])
    for name in files:
        path = tmp_path / "conformance" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(gate, "ROOT", tmp_path)
    monkeypatch.setattr(gate, "REPORT", tmp_path / "report.json")
    monkeypatch.setattr(gate, "fingerprint", lambda: now)
    gate.REPORT.write_text(json.dumps(REPORT | changes))
    with pytest.raises(gate.NotProven, match=message) if message else nullcontext():
        gate.require_proof("now")


def test_no_training_with_other_versions_than_the_suite_runs_with(tmp_path, capsys) -> None:
    mine = gate.versions_in(sys.path)
    environment = tmp_path / "env-numpy"

    def has(name: str, version: str) -> None:
        folder = environment / "lib" / "python3.11" / "site-packages" / f"{name}.dist-info"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")

    with pytest.raises(gate.NotProven, match="has no packages"):
        gate.require_same_versions(environment)
    has("NumPy", mine["numpy"])
    has("only-there", "3")
    gate.require_same_versions(environment)
    has("NumPy", "2.2.6")
    assert gate.main(["--environment", str(environment)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"env-numpy has numpy 2.2.6, the suite runs with numpy {mine['numpy']}: " in err
    assert f"delete the environment that is wrong, {environment} or " in err


@pytest.fixture
def run_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """A suite that only counts its runs, in a small repository with a temporary stamp."""
    for name in gate.COVERED:
        path = tmp_path / name if "." in name else tmp_path / name / "a.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a = 1\n")
    run_suite = Mock(return_value=0)
    for name, stand_in in {
        "fingerprint": partial(gate.fingerprint, tmp_path),
        "installed": lambda: ["3.11.7", "numpy==2.4.6"],
        "run_suite": run_suite,
        "require_proof": Mock(),
        "STAMP": tmp_path / "build" / "stamp.json",
        "REPORT": tmp_path / "build" / "report.json",
    }.items():
        monkeypatch.setattr(gate, name, stand_in)
    return run_suite


def test_conformance_runs_once_and_is_skipped_with_one_line(run_suite, tmp_path, capsys) -> None:
    assert gate.main([]) == 0
    assert capsys.readouterr() == ("", "")
    (tmp_path / "shared" / "__pycache__").mkdir()
    for left_behind in (".model.py.swp", "model.py~", "#model.py#", "__pycache__/model.pyc"):
        (tmp_path / "shared" / left_behind).touch()
    assert gate.main([]) == 0
    assert run_suite.call_count == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "skipped" in err
    gate.main(["--always"])
    assert run_suite.call_count == 2


def test_a_change_of_anything_covered_runs_it_again(run_suite: Mock, tmp_path, monkeypatch) -> None:
    gate.main([])
    for runs, name in enumerate(gate.COVERED, start=2):
        path = tmp_path / name
        (path / "a.py" if path.is_dir() else path).write_text("a = 2\n")
        gate.main([])
        assert run_suite.call_count == runs, name
    (tmp_path / "shared" / "a.py").rename(tmp_path / "shared" / "b.py")
    gate.main([])
    assert run_suite.call_count == runs + 1
    monkeypatch.setattr(gate, "installed", lambda: ["3.11.7", "numpy==2.4.7"])
    gate.main([])
    assert run_suite.call_count == runs + 2
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        sources.fingerprint(["nothing"], tmp_path)


def test_a_failure_is_passed_on_and_not_noted(run_suite: Mock) -> None:
    gate.main([])
    run_suite.return_value = 1
    assert gate.main(["--always"]) == 1
    assert not gate.STAMP.exists()
    assert gate.main([]) == 1
    assert run_suite.call_count == 3


def test_without_proof_nothing_is_noted(run_suite: Mock, monkeypatch, capsys) -> None:
    gate.REPORT.parent.mkdir()
    gate.REPORT.write_text("{}")
    message = "2 of 3 tests have passed; nothing is proven"
    monkeypatch.setattr(gate, "require_proof", Mock(side_effect=gate.NotProven(message)))
    assert gate.main([]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not gate.STAMP.exists()
    assert not gate.REPORT.exists(), "the report of another run proves nothing"


def test_an_unreadable_stamp_is_none(run_suite: Mock) -> None:
    gate.STAMP.parent.mkdir()
    for runs, content in enumerate((b"", b"[]", b'{"passed": "yes"}', b"\x00\xff"), start=1):
        gate.STAMP.write_bytes(content)
        assert gate.main([]) == 0
        assert run_suite.call_count == runs
        assert gate.when_passed(gate.fingerprint()) is not None
