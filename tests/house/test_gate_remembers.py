"""When conformance need not run again."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from conformance import gate
from shared.sources import ROOT, files_of


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A small repository, a temporary stamp, and a suite that only counts its runs."""
    for name in gate.COVERED:
        path = tmp_path / name if "." in name else tmp_path / name / "a.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a = 1\n")
    house = SimpleNamespace(path=tmp_path, runs=0, status=0, stamp=tmp_path / "build/stamp.json")

    def run_suite() -> int:
        house.runs += 1
        return house.status

    original = gate.fingerprint
    monkeypatch.setattr(gate, "fingerprint", lambda: original(tmp_path))
    monkeypatch.setattr(gate, "installed", lambda: ["3.11.7", "numpy==2.4.6"])
    monkeypatch.setattr(gate, "run_suite", run_suite)
    monkeypatch.setattr(gate, "require_proof", lambda before: None)
    monkeypatch.setattr(gate, "STAMP", house.stamp)
    monkeypatch.setattr(gate, "REPORT", house.stamp.with_name("report.json"))
    return house


def test_conformance_runs_once_and_is_skipped_with_one_line(
    house: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.main([]) == 0
    assert capsys.readouterr() == ("", "")
    assert gate.main([]) == 0
    assert house.runs == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "skipped" in err
    gate.main(["--always"])
    assert house.runs == 2


@pytest.mark.parametrize("name", gate.COVERED)
def test_a_change_of_anything_covered_runs_it_again(house: SimpleNamespace, name: str) -> None:
    gate.main([])
    path = house.path / name
    (path / "a.py" if path.is_dir() else path).write_text("a = 2\n")
    gate.main([])
    assert house.runs == 2


def test_so_does_another_version_of_a_package(
    house: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.main([])
    monkeypatch.setattr(gate, "installed", lambda: ["3.11.7", "numpy==2.4.7"])
    gate.main([])
    assert house.runs == 2


def test_a_failure_is_passed_on_and_not_noted(house: SimpleNamespace) -> None:
    gate.main([])
    house.status = 1
    assert gate.main(["--always"]) == 1
    assert not house.stamp.exists()
    assert gate.main([]) == 1
    assert house.runs == 3


@pytest.mark.parametrize(
    "name", [".model.py.swp", "model.py~", "#model.py#", ".DS_Store", "__pycache__/model.pyc"]
)
def test_what_an_editor_leaves_there_changes_nothing(house: SimpleNamespace, name: str) -> None:
    gate.main([])
    path = house.path / "impls" / "numpy" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("a = 2\n")
    gate.main([])
    assert house.runs == 1


def test_without_proof_nothing_is_noted(
    house: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gate.REPORT.parent.mkdir()
    gate.REPORT.write_text("{}")
    message = "2 of 3 tests have passed; nothing is proven"
    monkeypatch.setattr(gate, "require_proof", Mock(side_effect=gate.NotProven(message)))
    assert gate.main([]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    assert not house.stamp.exists()
    assert not gate.REPORT.exists(), "the report of another run proves nothing"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"passed": "yes"}', "\x00\xff"])
def test_an_unreadable_stamp_is_none(house: SimpleNamespace, content: str) -> None:
    house.stamp.parent.mkdir()
    house.stamp.write_bytes(content.encode("latin-1"))
    assert gate.main([]) == 0
    assert house.runs == 1
    assert gate.when_passed(gate.fingerprint()) is not None


def test_the_gate_covers_the_real_sources() -> None:
    covered = {
        path.relative_to(ROOT).as_posix() for name in gate.COVERED for path in files_of(ROOT / name)
    }
    for path in ("impls/numpy/model.py", "shared/presets/nanogpt-cpu.toml", "pyproject.toml"):
        assert path in covered
