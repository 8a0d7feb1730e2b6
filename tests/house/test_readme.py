"""Run every command of README.md, on a small model, in the order shown."""

import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from audits.mutants import show
from audits.mutants.judging import judge
from docs.commands import nox_sessions as existing_sessions
from lessons.compare.__main__ import main as compare_main
from lessons.ladder.__main__ import main as ladder_main
from lessons.relay.__main__ import main as relay_main
from shared.commands.sample import sample_main
from shared.commands.train import train_main
from shared.sources import ROOT
from tests.command_line import SHORTER, SMALL, nox_sessions, run_module, write_texts

README = (ROOT / "README.md").read_text(encoding="utf-8")

RUN_BY_CI = {"conformance", "fuzz", "lint", "tests"}
"""Sessions that continuous integration runs as they are: this very test is part of them."""

TOO_LONG = {"docs", "oracles", "mutants", "reliability"}
"""Sessions of many minutes; test_noxfile.py and test_mutants.py try their parts."""


def commands() -> list[list[str]]:
    """The words of every command in the README's shell blocks, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Trainings take a few steps of a small model, so that later commands find their runs."""
    monkeypatch.chdir(tmp_path)
    write_texts()
    small = [*SMALL, "--dataset", "text.txt"]
    texts: list[str] = []

    def train(backend: str, options: list[str]) -> int:
        return train_main(backend, [*options, *small, "--overwrite"])

    def sample(backend: str, options: list[str]) -> int:
        capsys.readouterr()
        status = sample_main(backend, [*options, "--max-new-tokens", "30"])
        texts.append(capsys.readouterr().out)
        return status

    monkeypatch.setattr("lessons.ladder.exercise.FOLDER", tmp_path / "my_gpt")
    monkeypatch.setattr(show, "judge", partial(judge, first=True))  # up to the first that fails
    run: dict[str, Callable[[str, list[str]], int]] = {"train": train, "sample": sample}
    for words in commands():
        if "nox" not in " ".join(words):
            assert run_module(words, monkeypatch) == 0, words
            continue
        sessions, options = nox_sessions(words)
        assert existing_sessions() >= set(sessions)
        for session in sessions:
            kind, _, backend = session.partition("-")
            if session == "compare":
                assert compare_main([*options, *SHORTER["lessons.compare"]]) == 0
            elif session == "relay":
                assert relay_main([*options, *SHORTER["lessons.relay"]]) == 0
            elif session == "break":
                assert show.main(options) == 0, words
            elif session == "exercise":
                assert ladder_main(options) == 1, "nobody has begun yet"
            elif session not in RUN_BY_CI | TOO_LONG:
                assert run[kind](backend, options) == 0, words
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
