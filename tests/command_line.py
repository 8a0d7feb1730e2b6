"""Running command lines in tests: in a separate process, or in this one."""

import runpy
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from audits import bench
from shared.sources import ROOT

TEXT = "ROMEO: But, soft! what light through yonder window breaks?\n\tIt is the east.\n" * 30

SMALL = shlex.split("--block-size 8 --n-layer 1 --n-head 2 --n-embd 8 --batch-size 2 --steps 6")
"""Options of a training that takes a moment. Its tokens are the characters of TEXT."""


def start(backend: str, command: str, *options: object) -> subprocess.Popen:
    words = [sys.executable, "-m", f"impls.{backend}.{command}", *map(str, options)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run_python(*words: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """This Python in a separate process, by default from the top of the repository."""
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, **{"cwd": ROOT, "capture_output": True, "text": True} | how)


def error_of(capsys, status: int) -> str:
    """The message of a command that should fail."""
    shown = capsys.readouterr()
    assert status == 2
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) <= 2, shown.err
    assert "Traceback" not in shown.err
    return shown.err


def cells_of(shown: str) -> list[list[str]]:
    """The cells of a printed table, row by row, without its head."""
    rows = [line.split("│")[1:-1] for line in shown.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]


SHORTER = {
    "lessons.compare": shlex.split(
        "--preset classroom --steps 2 --max-new-tokens 5 --dataset text.txt"
    ),
    "audits.bench": ["--preset", "classroom", "--rounds", "1"],
    "lessons.profile": ["--preset", "classroom", "--backend", "numpy"],
    "lessons.growth": ["--preset", "classroom", "--backend", "numpy"],
    "lessons.relay": ["--order", "numpy", "numpy", "--steps", "3", "--dataset", "long.txt"],
    "lessons.tokenizers": ["--dataset", "long.txt"],
    "lessons.bigram": ["--steps", "2", "--dataset", "text.txt"],
    "lessons.gpt2": ["--run", "runs/torch", "--max-new-tokens", "3", "--backends", "numpy"],
}
"""Additional options for commands that would take minutes, by module."""


def write_texts() -> None:
    """text.txt, with the characters of all prompts that are shown, and long.txt, for splitting."""
    text = TEXT + "The cat sat. To be, or not? Enter Eve. The meaning of life.\n" * 5 + TEXT
    Path("text.txt").write_text(text)
    Path("long.txt").write_text(text * 5)


def run_main(module: str, options: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """python -m MODULE OPTIONS, in this process. Returns the exit status."""
    monkeypatch.setattr(sys, "argv", [module, *options])
    package = hasattr(sys.modules.get(module), "__path__")
    started = f"{module}.__main__" if package else module
    monkeypatch.delitem(sys.modules, started, raising=False)  # or runpy warns
    with pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__")
    return int(end.value.code or 0)


def run_module(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """A command that is shown, made shorter, in this process. Returns the exit status."""
    assert words[:2] == ["python", "-m"], words
    module = words[2]
    options = [*words[3:], *SHORTER.get(module, [])]
    if module == "audits.bench":  # measuring the others takes a minute in separate processes
        here = nullcontext(lambda work, *given: work(*given))
        monkeypatch.setattr(bench, "REPEATS", 2)
        monkeypatch.setattr(bench, "BACKENDS", ["numpy"])
        monkeypatch.setattr(bench, "in_process", lambda: here)
        return bench.main(options)
    return run_main(module, options, monkeypatch)


def nox_sessions(words: list[str]) -> tuple[list[str], list[str]]:
    """The sessions that a command requests from nox, and their arguments after --."""
    at = words.index("-s")
    assert words[at - 1] in ("nox", ".venv/bin/nox")
    end = words.index("--") if "--" in words else len(words)
    return words[at + 1 : end], words[end + 1 :]
