"""The sessions: their arguments, the order of what they run, and what is installed."""

import re
import tomllib
from pathlib import Path
from unittest.mock import Mock

import nox.registry
import pytest

import noxfile
from shared.commands.terminal import CHECK_ONLY
from shared.protocol import BACKENDS
from shared.sources import ROOT
from tests.command_line import run_main

SESSIONS = dict(nox.registry.get())
"""The sessions of noxfile.py by name."""


def fake_session(tmp_path: Path, *posargs: str) -> Mock:
    """It records its commands and runs none, except that environments are made, empty."""

    def run_install(*command: str, **options) -> None:
        if command[2] == "virtualenv":
            Path(command[-1]).mkdir(parents=True, exist_ok=True)

    session = Mock(posargs=list(posargs), cache_dir=tmp_path / ".nox" / ".cache")
    session.run_install.side_effect = run_install
    session.cache_dir.mkdir(parents=True, exist_ok=True)
    return session


def commands(session: Mock) -> list[list[str]]:
    return [list(call.args) for call in session.run.call_args_list]


# The sessions


@pytest.mark.parametrize(
    ("name", "environment", "module"),
    [
        *((f"train-{backend}", f"env-{backend}", f"impls.{backend}.train") for backend in BACKENDS),
        *((name, "env-all", f"lessons.{name}") for name in ("compare", "relay")),
        ("results", "env-all", "audits.results"),
        ("scale", "env-all", "shared.commands.scale"),
    ],
)
def test_whatever_trains_checks_its_options_then_runs_conformance_and_has_time_to_save(
    name: str, environment: str, module: str, tmp_path: Path
) -> None:
    session = fake_session(tmp_path, "--steps", "50")
    SESSIONS[name](session)
    where = tmp_path / ".nox" / environment
    command = [str(where / "bin/python"), "-m", module, "--steps", "50"]
    gate = [str(tmp_path / ".nox/env-all/bin/python"), "-m", "conformance.gate"]
    assert commands(session) == [command, [*gate, "--environment", str(where)], command]
    check, _, training = (call.kwargs for call in session.run.call_args_list)
    assert check["env"] == {CHECK_ONLY: "1"}
    assert training["env"] == {CHECK_ONLY: None}, "the user's own is of no account"
    assert training["interrupt_timeout"] >= 30
    assert set(SESSIONS[name].requires) == {"env-all", environment}
    for option in ("--help", "-h"):
        session = fake_session(tmp_path, option)
        SESSIONS[name](session)
        assert commands(session) == [[*command[:3], option]], "conformance does not keep it waiting"
        env = session.run.call_args.kwargs["env"]
        assert env == {CHECK_ONLY: "1"}, "it cannot train without the suite"


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_are_alone_on_standard_output(backend: str, tmp_path: Path) -> None:
    session = fake_session(tmp_path, "--prompt", "ROMEO:")
    SESSIONS[f"sample-{backend}"](session)
    assert commands(session)[-1][1:] == ["-m", f"impls.{backend}.sample", "--prompt", "ROMEO:"]
    assert session.run.call_args.kwargs["stderr"] is None


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("impls.numpy.train", "--out run"),
        ("lessons.compare", ""),
        ("lessons.relay", "--order numpy numpy --out run"),
        ("audits.results", ""),
    ],
)
@pytest.mark.parametrize(("dataset", "status"), [("playlets", 0), ("no-such-text", 2)])
def test_options_are_checked_without_training(
    module, options, dataset, status, monkeypatch, capsys
) -> None:
    monkeypatch.setenv(CHECK_ONLY, "1")
    monkeypatch.setattr("shared.commands.terminal.PATIENCE", 60.0)  # a slow machine says no more
    assert run_main(module, [*options.split(), "--dataset", dataset], monkeypatch) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") if status else err == ""
    assert not list(Path().iterdir())


# The environments


def test_a_backend_installs_no_other_framework() -> None:
    for backend, foreign in {
        "numpy": {"torch", "jax", "flax", "optax"},
        "torch": {"jax", "flax", "optax"},
        "jax": {"torch"},
    }.items():
        packages = set(noxfile.requirements(*noxfile.ENVIRONMENTS[f"env-{backend}"]))
        assert "numpy" in packages
        assert not foreign & packages


def test_an_environment_is_made_once_and_again_after_ctrl_c_and_for_other_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = fake_session(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(noxfile, "pip_install", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            noxfile.install(session, "env-numpy")

    def made() -> int:
        return sum(call.args[2] == "virtualenv" for call in session.run_install.call_args_list)

    for _ in range(2):
        noxfile.install(session, "env-numpy")
        assert made() == 2
    pip = session.run_install.call_args.args[1:]
    assert pip[:5] == ("-m", "pip", "install", "--constraint", str(noxfile.CONSTRAINTS))
    monkeypatch.setitem(noxfile.ENVIRONMENTS, "env-numpy", ("numpy", "test"))
    noxfile.install(session, "env-numpy")
    assert made() == 3


def test_every_dependency_is_pinned_to_one_version() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line and not line.startswith("#")]
    for pin in pins:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin), pin  # no +cpu, no ranges
    pinned = {pin.partition("==")[0] for pin in pins}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    named = {item for group in groups.values() for item in group if isinstance(item, str)}
    wanted = {item.partition(";")[0] for item in named}
    assert wanted <= pinned
    assert "torch==2.13.0" in pins  # any other drags in several GB


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    (command,) = [line for line in readme if re.search(r"\bnox -s .*tests$", line)]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
