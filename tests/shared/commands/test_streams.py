"""Closed terminals, full disks and closed pipes behind the three standard streams."""

import shlex
import subprocess
import sys
import time

import pytest

from shared.checkpoints.checkpoint import newest_checkpoint
from shared.commands import prepare
from shared.commands.terminal import say
from shared.commands.train import train_main
from shared.runs.metrics import read_metrics
from shared.sources import ROOT
from tests.command_line import SMALL


def shell(
    command: str, *options: object, before: str = "", redirected: str = ""
) -> subprocess.CompletedProcess:
    words = [sys.executable, "-m", f"impls.numpy.{command}", *map(str, options)]
    line = f"{before} {shlex.join(words)} {redirected}"
    return subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, check=False)


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", ">&- 2>&- <&-", "2> >(exit)"])
def test_messages_that_nobody_can_read_do_not_end_a_training(text, tmp_path, redirected):
    run = tmp_path / "run"
    options = [*SMALL, "--dataset", text, "--out", run]
    ended = shell("train", *options, redirected=redirected)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert newest_checkpoint(run) == run / "checkpoints" / "000006"
    assert [row.step for row in read_metrics(run / "metrics.jsonl")] == list(range(7))


@pytest.mark.parametrize(
    ("options", "redirected", "status", "message"),
    [
        ("", ">&-", 2, "error: Bad file descriptor\n"),
        ("", ">/dev/full", 2, "error: No space left on device\n"),
        ("", ">&- 2>&-", 2, ""),
        ("--help", ">&-", 2, "error: Bad file descriptor\n"),
        ("", "2>&-", 0, ""),
        ("--max-new-tokens 9000", "| head -c 5; exit ${PIPESTATUS[0]}", 141, ""),
    ],
)
def test_text_that_cannot_be_written_is_an_error(trained, options, redirected, status, message):
    ended = shell("sample", "--run", trained, *options.split(), redirected=redirected)
    assert (ended.returncode, ended.stderr.decode()) == (status, message)


def test_a_name_commands_no_terminal(capsys):
    say("saved \x1b]0;owned\x07\r\x9b2J\u202e.txt")
    assert capsys.readouterr().err == "saved \\x1b]0;owned\\x07\\r\\x9b2J\\u202e.txt\n"


@pytest.mark.parametrize(
    "setting", ["MPLBACKEND=nonsense", "MATPLOTLIBRC=latex PATH="], ids=["backend", "latex"]
)
def test_a_training_does_not_fail_for_its_picture(text, tmp_path, setting):
    (tmp_path / "latex").write_text("text.usetex: True\n")
    run = tmp_path / "run"
    before = setting.replace("latex", str(tmp_path / "latex"))
    ended = shell("train", *SMALL, "--dataset", text, "--out", run, before=before)
    notes = [line for line in ended.stderr.decode().splitlines() if line.startswith("note: ")]
    assert len(notes) == 1, ended.stderr
    assert f"{run}/loss.png was not drawn: " in notes[0]
    assert (ended.returncode, newest_checkpoint(run)) == (0, run / "checkpoints" / "000006")


def test_what_takes_long_is_named(text, monkeypatch, capsys):
    monkeypatch.setattr("shared.commands.terminal.PATIENCE", 0.01)
    for name in ("load_dataset", "fit_tokenizer", "encode_dataset"):
        work = getattr(prepare, name)

        def slow(*arguments: object, work=work) -> object:
            time.sleep(0.2)
            return work(*arguments)

        monkeypatch.setattr(prepare, name, slow)
    assert train_main("numpy", [*SMALL, "--dataset", text, "--out", "run"]) == 0
    shown = capsys.readouterr().err
    named = [f"reading {text} …", "building the char tokenizer …", "encoding 2,280 characters …"]
    assert set(named) <= set(shown.splitlines())
