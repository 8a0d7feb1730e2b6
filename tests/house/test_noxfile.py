"""The jobs: their names, what is handed to whom, and when conformance need not run again."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from conformance import gate
from shared.sources import ROOT, files_of

BACKENDS = ("numpy", "torch", "jax")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


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
    """Remembers what it is told to run."""

    def __init__(self, tmp_path: Path, *posargs: str) -> None:
        self.posargs = list(posargs)
        self.env_dir = tmp_path / ".nox" / "env"
        self.cache_dir = tmp_path / ".nox" / ".cache"
        self.env_dir.mkdir(parents=True)
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


def test_every_job_has_its_session_and_says_what_it_does() -> None:
    command = [sys.executable, "-m", "nox", "--list", "--nocolor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    listed = dict(re.findall(r"^[*-] ([\w-]+) -> (.+)$", done.stdout, re.MULTILINE))
    jobs = {
        "browser",
        "conformance",
        "oracles",
        "compare",
        "docs",
        "fuzz",
        "relay",
        "reliability",
        "results",
        "tests",
        "lint",
    }
    jobs |= {f"{job}-{backend}" for job in ("train", "sample") for backend in BACKENDS}
    assert jobs <= set(listed)


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_runs_conformance_first_and_keeps_its_arguments_for_itself(
    sessions: dict[str, Any], backend: str, tmp_path: Path
) -> None:
    session = FakeSession(tmp_path, "--steps", "50")
    sessions[f"train-{backend}"](session)
    first, training = session.commands
    assert first == [str(tmp_path / ".nox/env-all/bin/python"), "-m", "conformance.gate"]
    own = str(tmp_path / f".nox/env-{backend}/bin/python")
    assert training == [own, "-m", f"impls.{backend}.train", "--steps", "50"]
    assert set(sessions[f"train-{backend}"].requires) == {"env-all", f"env-{backend}"}


@pytest.mark.parametrize("name", ["compare", "relay", "results"])
def test_whatever_trains_runs_conformance_first(
    sessions: dict[str, Any], name: str, tmp_path: Path
) -> None:
    session = FakeSession(tmp_path)
    sessions[name](session)
    assert session.commands[0][1:] == ["-m", "conformance.gate"]
    assert len(session.commands) == 2


def test_the_quick_check_is_of_files_that_exist(sessions: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path)
    sessions["quick"](session)
    files = [word for word in session.commands[0] if word.endswith(".py")]
    assert len(files) == 5
    assert all((ROOT / file).is_file() for file in files)


def test_a_training_has_time_to_save_after_ctrl_c(sessions: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path)
    sessions["train-torch"](session)
    assert session.options[-1]["interrupt_timeout"] >= 30


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_are_alone_on_standard_output(
    sessions: dict[str, Any], backend: str, tmp_path: Path
) -> None:
    session = FakeSession(tmp_path, "--prompt", "ROMEO:")
    sessions[f"sample-{backend}"](session)
    assert session.commands[-1][1:] == ["-m", f"impls.{backend}.sample", "--prompt", "ROMEO:"]
    assert session.options[-1]["stderr"] is None
    assert sessions[f"sample-{backend}"].requires == [f"env-{backend}"]


def test_a_part_of_the_suite_does_not_count_as_the_suite(
    sessions: dict[str, Any], tmp_path: Path
) -> None:
    part = FakeSession(tmp_path / "part", "-k", "gradients")
    sessions["conformance"](part)
    report = ["--report", "build"]
    assert part.commands[0][1:] == ["-m", "pytest", "conformance", *report, "-k", "gradients"]
    one = FakeSession(
        tmp_path / "one", "conformance/model/test_forward.py::test_taps[gpt2-float64]"
    )
    sessions["conformance"](one)
    assert one.commands[0][1:] == ["-m", "pytest", *report, *one.posargs]
    whole = FakeSession(tmp_path / "whole")
    sessions["conformance"](whole)
    assert whole.commands[0][1:] == ["-m", "conformance.gate", "--always"]


def test_the_site_has_fresh_figures_even_of_a_suite_that_fails(
    sessions: dict[str, Any], tmp_path: Path
) -> None:
    session = FakeSession(tmp_path, "--strict")
    sessions["docs"](session)
    suite, site = (command[1:] for command in session.commands)
    assert suite == ["-m", "conformance.gate"]
    assert 1 in session.options[0]["success_codes"]
    assert site == ["-m", "docs.build", "--strict"]
    assert "success_codes" not in session.options[1]


def test_the_browser_is_handed_its_arguments(sessions: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path, "--update-readme")
    sessions["browser"](session)
    assert [command[1:] for command in session.commands] == [
        ["-m", "docs.browser", "--update-readme"]
    ]
    assert sessions["browser"].requires == ["env-all"]


def test_tests_run_the_suites_and_the_mutants(sessions: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path)
    sessions["tests"](session)
    unit, suite, mutants = (command[1:] for command in session.commands)
    assert unit == ["-m", "pytest", "-p", "tests.runtime_checks", "-q", "-n", "2", "tests"]
    assert suite == ["-m", "conformance.gate", "--always"]
    assert mutants == ["-m", "audits.mutants", "--first"]


def test_arguments_choose_among_the_tests(sessions: dict[str, Any], tmp_path: Path) -> None:
    session = FakeSession(tmp_path, "tests/test_config.py", "-x")
    sessions["tests"](session)
    ((*_, file, option),) = session.commands
    assert (file, option) == ("tests/test_config.py", "-x")


# The environments


def test_only_the_oracles_need_transformers(noxfile: ModuleType) -> None:
    groups = noxfile.ENVIRONMENTS
    needing = {name for name in groups if "transformers" in noxfile.requirements(*groups[name])}
    assert needing == {"oracles"}


@pytest.mark.parametrize(
    ("backend", "foreign"),
    [
        ("numpy", {"torch", "jax", "flax", "optax"}),
        ("torch", {"jax", "flax", "optax"}),
        ("jax", {"torch"}),
    ],
)
def test_a_room_installs_no_other_framework(
    noxfile: ModuleType, sessions: dict[str, Any], backend: str, foreign: set[str], tmp_path: Path
) -> None:
    session = FakeSession(tmp_path)
    sessions[f"env-{backend}"](session)
    ((constraint, file, *packages),) = session.installed
    assert (constraint, Path(file)) == ("--constraint", ROOT / "constraints.txt")
    assert "numpy" in packages
    assert not foreign & set(packages)


def test_an_environment_is_installed_once(noxfile: ModuleType, tmp_path: Path) -> None:
    session = FakeSession(tmp_path)
    noxfile.install(session, "numpy")
    noxfile.install(session, "numpy")
    assert len(session.installed) == 1
    assert not session.commands


def test_an_environment_for_other_requirements_is_emptied_first(
    noxfile: ModuleType, tmp_path: Path
) -> None:
    session = FakeSession(tmp_path)
    noxfile.install(session, "numpy")
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


# What continuous integration runs


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line for line in readme if re.search(r"\bnox -s .*tests$", line)]
    assert len(commands) == 1, "README.md should have one line that runs the tests"
    assert commands[0] in CI.splitlines()


def test_then_it_builds_the_whole_site_and_reads_it_in_a_browser() -> None:
    steps = [CI.index(step) for step in ("lint tests", "docs -- --strict", "nox -s browser\n")]
    assert steps == sorted(steps)
    assert CI.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in CI  # the first that fails is the last


CHROMIUM = CI.partition("nox -s lint tests\n")[2].partition(".venv/bin/nox")[0]


@pytest.mark.parametrize(
    ("there", "user", "status", "done"),
    [
        ({"chromium", "chromedriver"}, 1000, 0, ""),
        ({"chromium", "apt-get"}, 0, 0, "update\ninstall"),
        (set(), 0, 2, ""),
        ({"apt-get"}, 1000, 2, ""),
    ],
)
def test_it_installs_a_browser_or_says_what_is_missing(
    there: set[str], user: int, status: int, done: str, tmp_path: Path
) -> None:
    for program in there:
        (tmp_path / program).write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/log\n')
        (tmp_path / program).chmod(0o755)
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (tmp_path / "id").chmod(0o755)
    ran = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", CHROMIUM],
        env={"PATH": f"{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == status, ran.stderr
    log = tmp_path / "log"
    assert (log.read_text().strip() if log.exists() else "") == done
    needs = "the browser tests need Chromium: apt install chromium chromium-driver\n"
    assert ran.stderr == (needs if status else "")


# The gate


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A small house, a stamp of its own, and a suite that only counts how often it ran."""
    for name in gate.COVERED:
        if "." in name:
            (tmp_path / name).write_text("")
        else:
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "a.py").write_text("a = 1\n")
    runs: list[str] = []
    house = SimpleNamespace(path=tmp_path, runs=runs, status=0, stamp=tmp_path / "build/stamp.json")

    def run_suite() -> int:
        runs.append("ran")
        return house.status

    original = gate.fingerprint
    monkeypatch.setattr(gate, "fingerprint", lambda: original(tmp_path))
    monkeypatch.setattr(gate, "run_suite", run_suite)
    monkeypatch.setattr(gate, "STAMP", house.stamp)
    return house


def test_conformance_runs_once_and_is_skipped_with_one_line(
    house: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate.main([]) == 0
    assert capsys.readouterr().out == ""
    assert gate.main([]) == 0
    assert len(house.runs) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "skipped" in out


def test_always_is_always(house: SimpleNamespace) -> None:
    gate.main([])
    gate.main(["--always"])
    assert len(house.runs) == 2
    gate.main([])
    assert len(house.runs) == 2


@pytest.mark.parametrize("name", gate.COVERED)
def test_a_change_of_anything_covered_runs_it_again(house: SimpleNamespace, name: str) -> None:
    gate.main([])
    path = house.path / name
    if path.is_dir():
        path /= "a.py"
    path.write_text("a = 2\n")
    gate.main([])
    assert len(house.runs) == 2


@pytest.mark.parametrize("change", ["added", "removed", "renamed"])
def test_new_lost_and_renamed_files_run_it_again(house: SimpleNamespace, change: str) -> None:
    path = house.path / "impls" / "numpy" / "a.py"
    path.with_name("other.py").write_text("")
    gate.main([])
    if change == "added":
        (house.path / "shared" / "presets").mkdir()
        (house.path / "shared" / "presets" / "new.toml").write_text("")
    elif change == "removed":
        path.unlink()
    else:
        path.rename(path.with_name("b.py"))
    gate.main([])
    assert len(house.runs) == 2


def test_what_python_writes_changes_nothing(house: SimpleNamespace) -> None:
    gate.main([])
    (house.path / "impls" / "numpy" / "__pycache__").mkdir()
    (house.path / "impls" / "numpy" / "__pycache__" / "a.pyc").write_text("")
    (house.path / "README.md").write_text("")
    gate.main([])
    assert len(house.runs) == 1


def test_another_installed_version_runs_it_again(
    house: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.main([])
    monkeypatch.setattr(gate, "installed", lambda: ["3.11.7", "numpy==2.4.7"])
    gate.main([])
    assert len(house.runs) == 2


def test_a_failure_is_passed_on_and_not_noted(house: SimpleNamespace) -> None:
    gate.main([])
    house.status = 1
    assert gate.main(["--always"]) == 1
    assert not house.stamp.exists()
    assert gate.main([]) == 1
    assert len(house.runs) == 3


def test_what_was_edited_during_the_run_is_not_proven(
    house: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_and_edit() -> int:
        (house.path / "impls" / "numpy" / "a.py").write_text(f"a = {len(house.runs) + 2}\n")
        house.runs.append("ran")
        return 0

    monkeypatch.setattr(gate, "run_suite", run_and_edit)
    gate.main([])
    gate.main([])
    assert len(house.runs) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"passed": "yes"}', "\x00\xff"])
def test_an_unreadable_stamp_is_none(house: SimpleNamespace, content: str) -> None:
    house.stamp.parent.mkdir()
    house.stamp.write_bytes(content.encode("latin-1"))
    assert gate.main([]) == 0
    assert len(house.runs) == 1
    assert gate.when_passed(gate.fingerprint()) is not None


def test_the_gate_starts_the_suite_and_passes_its_status_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 5)

    monkeypatch.setattr(subprocess, "run", run)
    assert gate.run_suite() == 5
    command = ["-m", "pytest", "-q", "conformance", "--report", "build"]
    command += ["-n", "2", "--dist", "loadgroup"]
    assert commands == [[sys.executable, *command]]


def test_the_gate_covers_the_real_sources() -> None:
    covered = {
        path.relative_to(ROOT).as_posix() for name in gate.COVERED for path in files_of(ROOT / name)
    }
    for path in ("impls/numpy/model.py", "shared/presets/nanogpt-cpu.toml", "pyproject.toml"):
        assert path in covered
