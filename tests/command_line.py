"""Driving the command lines from tests: in a process of their own, or in this one."""

import shlex
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

TEXT = "ROMEO: But, soft! what light through yonder window breaks?\n\tIt is the east.\n" * 30

SMALL = shlex.split("--block-size 8 --n-layer 1 --n-head 2 --n-embd 8 --batch-size 2 --steps 6")
"""Options of a training that takes a moment. Its tokens are the characters of TEXT."""


def start(backend: str, command: str, *options: str, **popen) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", f"impls.{backend}.{command}", *map(str, options)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **popen,
    )


def run(backend: str, command: str, *options: str, **popen) -> subprocess.CompletedProcess:
    with start(backend, command, *options, **popen) as process:
        stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(
        process.args, process.returncode, stdout.decode(), stderr.decode()
    )


def error_of(capsys, status: int) -> str:
    """The message of a command that failed as it should."""
    shown = capsys.readouterr()
    assert status == 2
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) <= 2, shown.err
    assert "Traceback" not in shown.err
    return shown.err
