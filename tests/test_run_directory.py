"""The directory of a run: one writer at a time, and nothing lost by accident."""

import subprocess
import sys

import pytest

from shared.errors import RunError
from shared.run_directory import RunDirectory
from tests.command_line import REPOSITORY


def test_only_one_may_write_to_a_run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with run.claim():
        run.metrics.write_text("")
        with pytest.raises(RunError, match="in use"), RunDirectory(run.path).claim(overwrite=True):
            pass
        assert run.metrics.exists()
    with RunDirectory(run.path).claim(overwrite=True):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    program = f"""
import time
from pathlib import Path
from shared.run_directory import RunDirectory
with RunDirectory(Path({str(tmp_path / "run")!r})).claim():
    print("claimed", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as holder:
        assert holder.stdout.readline() == b"claimed\n"
        run = RunDirectory(tmp_path / "run")
        with pytest.raises(RunError, match="in use"), run.claim(resume=True):
            pass
        holder.kill()
        holder.wait()
        with run.claim(resume=True):
            assert (run.path / ".lock").exists()


def test_a_run_is_not_lost_by_accident(tmp_path):
    run = RunDirectory(tmp_path / "run")
    with run.claim():
        (run.checkpoints / "000500").mkdir()
        (run.checkpoints / "000500" / "config.json").write_text("{}")
        (run.checkpoints / ".001000.tmp-1-ab").mkdir()  # an interrupted save
        run.metrics.write_text("{}")
        run.plot.write_text("")
    with pytest.raises(RunError, match="already holds a run"), run.claim():
        pass
    (run.path / "notes.txt").write_text("mine")
    with run.claim(overwrite=True):
        assert not run.metrics.exists()
        assert not run.plot.exists()
        assert not list(run.checkpoints.iterdir())
        assert (run.path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("stranger", ["holiday.jpg", "000500", "000500.backup/x", "000500/notes"])
def test_overwriting_deletes_nothing_that_is_no_run(tmp_path, stranger):
    run = RunDirectory(tmp_path)
    (run.checkpoints / "000400").mkdir(parents=True)
    file = run.checkpoints / stranger
    file.parent.mkdir(exist_ok=True)
    file.write_text("dear to me")
    with pytest.raises(RunError, match="not part of a run"), run.claim(overwrite=True):
        pass
    assert file.read_text() == "dear to me"
    assert (run.checkpoints / "000400").exists()


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with (
            pytest.raises(RunError, match=r"is a file|Not a directory"),
            RunDirectory(path).claim(),
        ):
            pass
