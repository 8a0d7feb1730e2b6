"""Fixtures of the tests of the command lines."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.commands.train import train_main
from tests.command_line import SMALL, TEXT


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """With `-n`, the tests of a file run in one process, so what they share is made once."""
    if config.getoption("numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadscope"


@pytest.fixture(autouse=True, scope="session")
def surroundings() -> Iterator[None]:
    """Hints name the commands for a user's own shell, even if nox runs these tests. No loss.png is
    drawn, which is most of the time of a small training: runs/test_progress.py draws it, and
    trainings in processes of their own do, which test_cli.py looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NOX_CURRENT_SESSION", raising=False)
        patch.setattr("shared.runs.plots.plot_losses", lambda *_, **__: None)
        yield


@pytest.fixture(autouse=True)
def empty_directory(tmp_path, monkeypatch) -> None:
    """Run the test in a temporary directory, so that default paths do not find the user's files."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def text(tmp_path) -> str:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A run of a few steps. Read-only."""
    directory = tmp_path_factory.mktemp("trained")
    (directory / "text.txt").write_text(TEXT)
    options = ["--dataset", str(directory / "text.txt"), "--out", str(directory / "run")]
    assert train_main("numpy", [*SMALL, *options]) == 0
    return directory / "run"


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> list[str]:
    """The options of a lesson that trains: a preset of a tiny model, and a text."""
    shutil.copy(Path(__file__).with_name("tiny.toml"), tmp_path)
    (tmp_path / "text.txt").write_text(TEXT[:970])  # windows all alike: JAX compiles for each shape
    monkeypatch.setattr("shared.config.PRESETS", tmp_path)
    return ["--preset", "tiny", "--dataset", str(tmp_path / "text.txt")]


@pytest.fixture
def figures(monkeypatch) -> list:
    """The figures that would have been saved."""
    saved = []
    monkeypatch.setattr("shared.runs.plots.save_figure", lambda _, figure: saved.append(figure))
    return saved
