"""Every command that README.md shows is run here, on a small model, in the order shown."""

import re
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compare.__main__ import main as compare_main
from compare.relay import main as relay_main
from conformance.ladder.__main__ import main as ladder_main
from mutants.show import main as break_main
from shared.cli import sample_main, train_main
from tests.command_line import REPOSITORY, SMALL, TEXT

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

RUN_BY_CI = {"conformance", "lint", "tests"}
"""Sessions that continuous integration runs as they are: this very test is part of them."""

TOO_LONG = {"docs", "oracles", "mutants", "reliability"}
"""Sessions of many minutes; tests/test_noxfile.py and tests/test_mutants.py try their parts."""


def commands() -> list[list[str]]:
    """The words of every command in the README's shell blocks, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


SHORTER = {
    "compare.tokenizers": ["--steps", "0", "--dataset", "long.txt"],
    "impls.numpy.bigram": ["--steps", "2", "--dataset", "text.txt"],
}
"""What is added to a command that would take minutes, by its module."""


def run_module(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """python -m MODULE OPTIONS, in this process. Returns the exit status."""
    assert words[:2] == ["python", "-m"], words
    module, options = words[2], words[3:]
    monkeypatch.setattr(sys, "argv", [module, *options, *SHORTER.get(module, [])])
    monkeypatch.delitem(sys.modules, module, raising=False)  # or runpy warns
    with pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__")
    return int(end.value.code or 0)


def nox_sessions(words: list[str]) -> tuple[list[str], list[str]]:
    """The sessions that a command asks nox for, and what it hands to them after --."""
    at = words.index("-s")
    assert words[at - 1] in ("nox", ".venv/bin/nox")
    end = words.index("--") if "--" in words else len(words)
    return words[at + 1 : end], words[end + 1 :]


def test_the_readme_has_two_commands_to_start_with():
    start = README.partition("## Start")[2].partition("\n## ")[0]
    assert start.count("```sh") == 2
    for block in re.findall(r"```sh\n(.*?)```", start, re.DOTALL):
        assert len(block.strip().splitlines()) == 1


def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Trainings are cut to a few steps of a small model; then the later ones find their runs."""
    monkeypatch.chdir(tmp_path)
    text = TEXT + "The cat sat. To be, or not\n" * 5 + TEXT  # with the characters of all prompts
    Path("text.txt").write_text(text)
    Path("long.txt").write_text(text * 5)
    small = [*SMALL, "--dataset", "text.txt"]
    texts: list[str] = []

    def train(backend: str, options: list[str]) -> int:
        return train_main(backend, [*options, *small, "--overwrite"])

    def sample(backend: str, options: list[str]) -> int:
        capsys.readouterr()
        status = sample_main(backend, [*options, "--max-new-tokens", "30"])
        texts.append(capsys.readouterr().out)
        return status

    run: dict[str, Callable[[str, list[str]], int]] = {"train": train, "sample": sample}
    for words in commands():
        if "nox" not in " ".join(words):
            assert run_module(words, monkeypatch) == 0, words
            continue
        sessions, options = nox_sessions(words)
        for session in sessions:
            kind, _, backend = session.partition("-")
            if session == "compare":
                assert compare_main([*options, "--steps", "2", "--dataset", "text.txt"]) == 0
            elif session == "relay":
                assert relay_main([*options, "--steps", "3", "--dataset", "long.txt"]) == 0
            elif session == "break":
                assert break_main(options) == 0, words
            elif session == "exercise":
                assert ladder_main(options) == 1, "nobody has begun yet"
            elif session not in RUN_BY_CI | TOO_LONG:
                assert run[kind](backend, options) == 0, words
    assert len(texts) == 2
    assert texts[0] == texts[1], "the README says that these two write the same text"
    assert texts[0].startswith("ROMEO:")


def test_every_file_that_is_linked_exists():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert len(links) > 5
    for link in links:
        assert (REPOSITORY / link).exists(), link
