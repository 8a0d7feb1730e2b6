"""The sessions: their arguments, their installations, and when conformance is skipped."""

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from conformance import gate
from docs.commands import nox_sessions
from shared.protocol import BACKENDS
from shared.sources import ROOT, files_of


@pytest.fixture(scope="module")
def noxfile() -> ModuleType:
    spec = importlib.util.spec_from_file_location("minigpt_noxfile", ROOT / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sessions(noxfile: ModuleType) -> dict[str, Any]:
    """The sessions by name."""
    import nox.registry

    return dict(nox.registry.get())


class FakeSession:
    """Records its commands."""

    def __init__(self, tmp_path: Path, *posargs: str) -> None:
        self.posargs = list(posargs)
        self.env_dir = tmp_path / ".nox" / "env"
        self.cache_dir = tmp_path / ".nox" / ".cache"
        self.env_dir.mkdir(parents=True, exist_ok=True)
        self.commands: list[list[str]] = []
        self.options: list[dict[str, Any]] = []
        self.installed: list[tuple[str, ...]] = []

    def run(self, *command: str, **options: Any) -> None:
        self.commands.append(list(command))
        self.options.append(options)

    run_install = run

    def install(self, *arguments: str) -> None:
        self.installed.append(arguments)

    def log(self, message: str) -> None:
        pass


# The sessions


def test_pages_may_name_the_sessions_that_nox_has(sessions: dict[str, Any]) -> None:
    assert nox_sessions() == {name for name in sessions if not name.startswith("env-")}


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_runs_conformance_first_and_has_time_to_save_after_ctrl_c(
    sessions: dict[str, Any], backend: str, tmp_path: Path
) -> None:
    session = FakeSession(tmp_path, "--steps", "50")
    sessions[f"train-{backend}"](session)
    first, training = session.commands
    assert first == [str(tmp_path / ".nox/env-all/bin/python"), "-m", "conformance.gate"]
    own = str(tmp_path / f".nox/env-{backend}/bin/python")
    assert training == [own, "-m", f"impls.{backend}.train", "--steps", "50"]
    assert session.options[-1]["interrupt_timeout"] >= 30
    assert set(sessions[f"train-{backend}"].requires) == {"env-all", f"env-{backend}"}


@pytest.mark.parametrize("name", ["compare", "relay", "results"])
def test_whatever_trains_runs_conformance_first(
    sessions: dict[str, Any], name: str, tmp_path: Path
) -> None:
    session = FakeSession(tmp_path)
    sessions[name](session)
    assert session.commands[0][1:] == ["-m", "conformance.gate"]
    assert len(session.commands) == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_are_alone_on_standard_output(
    sessions: dict[str, Any], backend: str, tmp_path: Path
) -> None:
    session = FakeSession(tmp_path, "--prompt", "ROMEO:")
    sessions[f"sample-{backend}"](session)
    assert session.commands[-1][1:] == ["-m", f"impls.{backend}.sample", "--prompt", "ROMEO:"]
    assert session.options[-1]["stderr"] is None


def test_the_quick_check_is_of_files_that_exist(sessions: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path)
    sessions["quick"](session)
    files = [word for word in session.commands[0] if word.endswith(".py")]
    assert files
    assert all((ROOT / file).is_file() for file in files)


@pytest.mark.parametrize(
    ("given", "run"),
    [
        ([], ["conformance.gate", "--always"]),
        (["-k", "taps"], ["pytest", "conformance", "--report", "build", "-k", "taps"]),
        (["conformance/a.py::b[c]"], ["pytest", "--report", "build", "conformance/a.py::b[c]"]),
    ],
    ids=["whole", "part", "one"],
)
def test_a_part_of_the_suite_does_not_count_as_the_suite(
    sessions: dict[str, Any], tmp_path: Path, given: list[str], run: list[str]
) -> None:
    session = FakeSession(tmp_path, *given)
    sessions["conformance"](session)
    assert session.commands[0][1:] == ["-m", *run]


# The environments


@pytest.mark.parametrize(
    ("backend", "foreign"),
    [
        ("numpy", {"torch", "jax", "flax", "optax"}),
        ("torch", {"jax", "flax", "optax"}),
        ("jax", {"torch"}),
    ],
)
def test_a_backend_installs_no_other_framework(
    sessions: dict[str, Any], backend: str, foreign: set[str], tmp_path: Path
) -> None:
    session = FakeSession(tmp_path)
    sessions[f"env-{backend}"](session)
    ((constraint, file, *packages),) = session.installed
    assert (constraint, Path(file)) == ("--constraint", ROOT / "constraints.txt")
    assert "numpy" in packages
    assert not foreign & set(packages)


def test_an_environment_is_installed_once_and_emptied_for_other_requirements(
    noxfile: ModuleType, tmp_path: Path
) -> None:
    session = FakeSession(tmp_path)
    noxfile.install(session, "numpy")
    noxfile.install(session, "numpy")
    assert len(session.installed) == 1
    assert not session.commands
    noxfile.install(session, "numpy", "test")
    assert "--clear" in session.commands[0]
    assert len(session.installed) == 2


def test_a_half_installed_environment_is_emptied_first(
    noxfile: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: str) -> None:
        raise KeyboardInterrupt

    session = FakeSession(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(session, "install", fail)
        with pytest.raises(KeyboardInterrupt):
            noxfile.install(session, "numpy")
    noxfile.install(session, "numpy")
    assert "--clear" in session.commands[0]
    assert len(session.installed) == 1


def test_every_dependency_is_pinned_to_one_version() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line and not line.startswith("#")]
    for pin in pins:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin), pin  # no +cpu, no ranges
    pinned = {pin.partition("==")[0] for pin in pins}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted = {item for group in groups.values() for item in group if isinstance(item, str)}
    assert wanted <= pinned
    assert "torch==2.13.0" in pins  # any other drags in several GB


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (command,) = [line for line in readme if re.search(r"\bnox -s .*tests$", line)]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


# The gate


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
    monkeypatch.setattr(gate, "STAMP", house.stamp)
    return house


def test_conformance_runs_once_and_is_skipped_with_one_line(
    house: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.main([]) == 0
    assert capsys.readouterr().out == ""
    assert gate.main([]) == 0
    assert house.runs == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "skipped" in out
    gate.main(["--always"])
    assert house.runs == 2


@pytest.mark.parametrize("name", [*gate.COVERED, "an installed package"])
def test_a_change_of_anything_covered_runs_it_again(
    house: SimpleNamespace, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.main([])
    path = house.path / name
    if path.is_dir():
        path /= "a.py"
    if path.is_file():
        path.write_text("a = 2\n")
    else:
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


def test_what_was_edited_during_the_run_is_not_proven(
    house: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_and_edit() -> int:
        house.runs += 1
        (house.path / "impls" / "numpy" / "a.py").write_text(f"edited = {house.runs}\n")
        return 0

    monkeypatch.setattr(gate, "run_suite", run_and_edit)
    gate.main([])
    gate.main([])
    assert house.runs == 2


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
