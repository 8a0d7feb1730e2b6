"""Run every command in a docstring or on a page of docs/, or list it with a reason.

tests/house/test_readme.py runs the commands in README.md.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.commands import check_command, commands_of
from shared.commands.train import train_main
from shared.protocol import BACKENDS
from shared.sources import ROOT
from tests.command_line import SMALL, nox_sessions, run_module, write_texts
from tests.house.test_readme import commands as commands_of_readme

PACKAGES = ("impls", "shared", "conformance", "lessons", "audits", "docs")

BY_CI = {"conformance.gate", "docs.build"}
"""Modules that continuous integration runs unchanged."""

TOO_LONG = {
    "conformance.noise": "ten runs of the suite, a quarter of an hour",
    "audits.reliability.doomed": "a process that is killed; test_reliability.py starts many",
    "audits.results": "half an hour; test_results.py runs it on small models",
}

SENTENCES = {"python -m impls.BACKEND.train --out RUN_PATH GIVEN", "python -m MODULE …"}
"""Text that only looks like a command."""


def strings(tree: ast.AST) -> Iterator[str]:
    """The docstrings of a module, of what is in it, and below its constants."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text


def shown() -> list[str]:
    """The commands in docstrings and on pages, without those of the README."""
    texts = [
        text
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in strings(ast.parse(path.read_text(encoding="utf-8")))
    ]
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
    pages = [path.read_text(encoding="utf-8") for path in paths]
    found = [command for page in pages[1:] for command in commands_of(page)]
    for text in [*texts, *pages]:
        found += re.findall(r"`((?:python -m|nox -s) [^`\n]+)`", text)
        found += re.findall(r"(?:: |^    )((?:python -m|nox -s) .+)$", text, re.MULTILINE)
        found += re.findall(r"^\s+:command: (.+)$", text, re.MULTILINE)
    every = [
        re.sub(r"\bNAME\b", backend, command).strip(" .")
        for command in found
        for backend in (BACKENDS if "impls.NAME" in command else BACKENDS[:1])
    ]
    readme = {shlex.join(words) for words in commands_of_readme()}
    readme |= {
        command.replace("nox -s relay", "python -m lessons.relay").replace(
            "nox -s compare", "python -m lessons.compare"
        )
        for command in readme
    }
    return [
        command
        for command in dict.fromkeys(every)
        if shlex.join(shlex.split(command, comments=True)) not in readme
        and command not in SENTENCES
    ]


COMMANDS = shown()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two texts, a small run of every backend, and one to resume."""
    directory = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        write_texts()
        others = {"runs/broken": "numpy", "build/docs-data/trained": "numpy"}
        for run, backend in ({f"runs/{name}": name for name in BACKENDS} | others).items():
            options = [*SMALL, "--n-layer", "2", "--dataset", "text.txt", "--out", run]
            assert train_main(backend, options) == 0
    return directory


def test_commands_are_found():
    assert "python -m lessons.curves runs/numpy runs/torch" in COMMANDS
    assert "python -m impls.jax.train --help" in COMMANDS
    assert 'python -m impls.torch.sample --prompt "ROMEO:" --top 10' in COMMANDS
    assert len(COMMANDS) > 40
    modules = {shlex.split(command)[2] for command in COMMANDS if command.startswith("python")}
    assert modules >= BY_CI | TOO_LONG.keys(), "no reason is given for what nobody shows"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_works(
    runs: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(runs)
    monkeypatch.setattr("lessons.ladder.exercise.FOLDER", runs / "my_gpt")
    # A backend's session is its command line, after the suite.
    command = re.sub(r"nox -s (train|sample)-(\w+)(?: --)?", r"python -m impls.\2.\1", command)
    words = shlex.split(command, comments=True)
    if words[0] == "nox":  # tests run no sessions: check only that it exists, and its files
        check_command(shlex.join(words))
        _, options = nox_sessions(words)
        assert all((ROOT / option).exists() for option in options if option.endswith(".py"))
        return
    module = words[2]
    if module in BY_CI or module in TOO_LONG:
        check_command(command)
        return
    if module.endswith(".train") and not {"--help", "--resume"} & set(words):
        words += [*SMALL, "--dataset", "text.txt", "--overwrite"]
    status = 1 if module == "lessons.ladder" else 0  # the exercise is not begun
    assert run_module(words, monkeypatch) == status
    assert any(capsys.readouterr())
