"""The directory of a run: one writer at a time, and nothing lost by accident."""

import itertools
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from shared.errors import RunError
from shared.runs.directory import RunDirectory
from tests.command_line import ROOT
from tests.crashes import Crash, fail


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    program = f"""
import time
from pathlib import Path
from shared.runs.directory import RunDirectory
with RunDirectory(Path({str(tmp_path / "run")!r})).claim():
    print("claimed", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout.readline() == b"claimed\n"
        run = RunDirectory(tmp_path / "run")
        with pytest.raises(RunError, match="in use"), run.claim(resume=True):
            pass
        holder.kill()
        holder.wait()
        with run.claim(resume=True):
            assert (run.path / ".lock").exists()


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "loss.png", ".lock", "checkpoints", ".replaced", "checkpoints/000500"]
)
def test_a_link_in_a_run_is_not_followed(tmp_path, name):
    """A run from elsewhere must not decide which files are written."""
    run = RunDirectory(tmp_path / "run")
    (tmp_path / "dear").mkdir()
    (tmp_path / "dear.txt").write_text("dear to me")
    is_file = name in ("metrics.jsonl", "loss.png", ".lock")
    (run.path / name).parent.mkdir(parents=True)
    (run.path / name).symlink_to(tmp_path / ("dear.txt" if is_file else "dear"))
    for mode in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(RunError, match=f"{name} is a symbolic link"), run.claim(**mode):
            pass
    assert (tmp_path / "dear.txt").read_text() == "dear to me"
    assert list((tmp_path / "dear").iterdir()) == []


def save(run: RunDirectory, step: int) -> None:
    checkpoint = run.checkpoints / f"{step:06d}"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}")


def contents(run: RunDirectory) -> dict[str, str]:
    files = (path for path in run.path.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(run.path)): path.read_text() for path in files}


@pytest.mark.parametrize("saved", [False, True])
def test_a_replacement_may_be_killed_between_any_two_changes(tmp_path, monkeypatch, saved):
    """Crash at every rename and every removal; the next claim finds one complete run."""
    places = [*((Path, name) for name in ("rename", "replace", "mkdir")), (shutil, "rmtree")]
    new = {"metrics.jsonl": "new", "checkpoints/000040/config.json": "{}"}
    for stop in itertools.count():
        run = RunDirectory(tmp_path / f"run-{stop}")
        with run.claim():
            save(run, 500)
            run.metrics.write_text("old")
            run.plot.write_text("old")
        old = contents(run)
        finished = False
        with monkeypatch.context() as patch, suppress(Crash):
            fail(patch, Crash, lambda call, stop=stop: call >= stop, *places)
            with run.claim(overwrite=True):
                run.metrics.write_text("new")
                if saved:
                    save(run, 40)
            finished = True
        with RunDirectory(run.path).claim(resume=True):
            assert contents(run) in ([old, new] if saved else [old]), stop
            assert not run.replaced.exists()
        if finished:
            break
    assert stop > 3


def test_a_run_is_not_in_a_file(tmp_path):
    (tmp_path / "file").touch()
    run = RunDirectory(tmp_path / "file" / "run")
    with pytest.raises(RunError, match="Not a directory"), run.claim():
        pass
