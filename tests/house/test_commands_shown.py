"""Run every command of README.md in order, and every other in a docstring or on a page of docs/."""

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from audits.mutants.judging import judge
from docs.commands import check_command, commands_of
from docs.commands import nox_sessions as existing_sessions
from shared.commands.export import main as export_main
from shared.commands.train import train_main
from shared.protocol import BACKENDS
from shared.sources import ROOT
from tests.command_line import SMALL, nox_sessions, run_module, write_texts

README = (ROOT / "README.md").read_text(encoding="utf-8")

ELSEWHERE = {
    *("conformance", "fuzz", "lint", "tests", "docs", "release", "oracles", "mutants"),
    *("reliability", "checks"),
}
"""Sessions that continuous integration runs, this very test among them; other tests try parts."""

MODULES = {
    **{"compare": "lessons.compare", "relay": "lessons.relay", "exercise": "lessons.ladder"},
    **{"break": "audits.mutants.show", "scale": "shared.commands.scale", "bench": "audits.bench"},
    **{f"{kind}-{b}": f"impls.{b}.{kind}" for kind in ("train", "sample") for b in BACKENDS},
}
"""Of the other sessions in the README, what they run."""

STATUSES = {"lessons.ladder": 1, "lessons.check": 2}
"""The exercise is not begun, and nobody measured what to expect of these small models."""


def readme() -> list[list[str]]:
    """The words of every command in the README's shell blocks, without comments."""
    return [shlex.split(line, comments=True) for line in commands_of(README)]


def test_every_command_of_the_readme_works(tmp_path, monkeypatch, capsys) -> None:
    """Trainings take a few steps of a small model, so that later commands find their runs."""
    write_texts()
    small = [*SMALL, "--dataset", "text.txt", "--overwrite"]
    texts: list[str] = []
    monkeypatch.setattr("lessons.ladder.exercise.FOLDER", tmp_path / "my_gpt")
    monkeypatch.setattr("audits.mutants.judging.judge", partial(judge, first=True))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of processes that are started
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    for words in readme():
        if words[-1] == "pip" or "--group" in words:  # installing is for test_noxfile.py
            continue
        if words[0] in ("torchrun", "mpiexec"):
            assert subprocess.run([*words, *small], check=False).returncode == 0, words
            continue
        by_nox = "nox" in " ".join(words)
        sessions, options = nox_sessions(words) if by_nox else ([], words[3:])
        assert existing_sessions() >= set(sessions)
        modules = [MODULES[each] for each in sessions if each not in ELSEWHERE]
        for module in modules if by_nox else [words[2]]:
            more = small if module.endswith((".train", ".scale")) else []
            written = by_nox and module.endswith(".sample")
            more = ["--max-new-tokens", "30"] if written else more
            status = STATUSES.get(module, 0)
            capsys.readouterr()
            command = ["python", "-m", module, *options, *more]
            assert run_module(command, monkeypatch) == status, words
            texts += [capsys.readouterr().out] * written
    assert len(texts) == 2
    assert texts[0] == texts[1], "the README says that these two write the same text"
    assert texts[0].startswith("ROMEO:")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_file_that_is_linked_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert len(links) > 4
    for link in links:
        assert (ROOT / link).exists(), link


# Everywhere else

PACKAGES = ("impls", "shared", "conformance", "lessons", "audits", "docs")

BY_CI = {"conformance.gate", "docs.build"}
"""Modules that continuous integration runs unchanged."""

TOO_LONG = {
    "conformance.noise": "ten runs of the suite, a quarter of an hour",
    "audits.results": "half an hour; test_results.py runs it on small models",
    "audits.bands": "hours; test_bands.py runs it on small models",
}

SENTENCES = {"python -m MODULE …"}
"""Text that only looks like a command."""


def docstrings() -> Iterator[str]:
    """Of all modules, of what is in them, and below their constants."""
    for path in [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield text


def shown() -> list[str]:
    """The commands in docstrings and on pages, without those of the README."""
    paths = [ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
    pages = [path.read_text(encoding="utf-8") for path in paths]
    found = [command for page in pages for command in commands_of(page)]
    for text in [*docstrings(), README, *pages]:
        found += re.findall(r"`((?:python -m|nox -s) [^`\n]+)`", text)
        found += re.findall(r"(?:: |^    )((?:python -m|nox -s) .+)$", text, re.MULTILINE)
        found += re.findall(r"^\s+:command: (.+)$", text, re.MULTILINE)
    every = [
        re.sub(r"\bNAME\b", backend, command).strip(" .")
        for command in found
        for backend in (BACKENDS if "impls.NAME" in command else BACKENDS[:1])
    ]
    own = {shlex.join(words) for words in readme()}
    own |= {re.sub("nox -s (relay|compare)", r"python -m lessons.\1", command) for command in own}
    return [
        command
        for command in dict.fromkeys(every)
        if shlex.join(shlex.split(command, comments=True)) not in own and command not in SENTENCES
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
        assert export_main(["--run", "runs/torch", "--to", "gpt2"]) == 0
    return directory


def test_commands_are_found():
    assert "python -m lessons.curves runs/numpy runs/torch" in COMMANDS
    assert "python -m impls.jax.train --help" in COMMANDS
    assert 'python -m impls.torch.sample --prompt "ROMEO:" --top 10' in COMMANDS
    assert len(COMMANDS) > 40
    modules = {shlex.split(command)[2] for command in COMMANDS if command.startswith("python")}
    assert modules >= BY_CI | TOO_LONG.keys(), "no reason is given for what nobody shows"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_works(runs: Path, command: str, monkeypatch, capsys) -> None:
    monkeypatch.chdir(runs)
    monkeypatch.setattr("lessons.ladder.exercise.FOLDER", runs / "my_gpt")
    # A backend's session is its command line, after the suite.
    command = re.sub(r"nox -s (train|sample)-(\w+)(?: --)?", r"python -m impls.\2.\1", command)
    words = shlex.split(command, comments=True)
    if words[0] == "nox":  # tests run no sessions: check only that it exists, and its files
        check_command(shlex.join(words))
        _, options = nox_sessions(words)
        files = {option for option in options if option.endswith(".py")} - {"my_checks.py"}
        assert all((ROOT / file).exists() for file in files)
        return
    module = words[2]
    if module in BY_CI or module in TOO_LONG:
        check_command(command)
        return
    if module.endswith(".train") and not {"--help", "--resume"} & set(words):
        # The size of a fine-tuned model is that of the first.
        size = ["--steps", "2"] if "--init-from" in words else SMALL
        words += [*size, "--dataset", "text.txt", "--overwrite"]
    if "--compile" in words:  # torch.compile cannot trace the checks of annotations
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        subprocess.run([sys.executable, *words[1:]], check=True)
        return
    assert run_module(words, monkeypatch) == STATUSES.get(module, 0)
    assert any(capsys.readouterr())
