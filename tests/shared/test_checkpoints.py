"""Checkpoints: each exists completely or not at all, and a missing or hostile one is refused in one
line. conformance/shared/checkpoints/test_shared_damage.py tests damage, and
audits/reliability/corruptions.py any corruption at all."""

import errno
import itertools
import os
import shutil
import tracemalloc
from pathlib import Path

import pytest

from audits.reliability.samples import same
from conformance.shared.checkpoints.samples import record, save
from shared.checkpoints import parts as checkpoint_parts
from shared.checkpoints.checkpoint import load_checkpoint
from shared.checkpoints.directories import checkpoint_path, clean_leftovers, newest_checkpoint
from shared.config import GPTConfig
from shared.errors import CheckpointError
from tests.crashes import Crash, fail

# Crashes


def listing(directory):
    return sorted(entry.name for entry in directory.iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), Crash()])
@pytest.mark.parametrize("exists", [False, True])
def test_a_save_that_fails_anywhere_changes_nothing(tmp_path, monkeypatch, error, exists):
    """At every write, fsync and rename in turn, until one save gets through."""
    path = tmp_path / "000500"
    if exists:
        save(path)
        before = load_checkpoint(path)
    places = (os, "fsync"), (Path, "rename"), (Path, "mkdir")
    messages = set()
    for failures in itertools.count():
        with monkeypatch.context() as patch:
            fail(patch, error, lambda call, at=failures: call == at, *places)
            try:
                save(path, training=record(step=501))
                break
            except Crash:
                pass
            except CheckpointError as raised:
                messages.add(str(raised))
        assert listing(tmp_path) == (["000500"] if exists else [])
        assert not exists or same(load_checkpoint(path), before)
    expected = {f"{path}: cannot be saved: No space left on device"}
    assert messages == (set() if isinstance(error, Crash) else expected)
    assert failures >= 8
    assert load_checkpoint(path).training.step == 501


def test_a_crash_anywhere_leaves_one_whole_checkpoint(tmp_path, monkeypatch):
    """After a crash there is no cleanup: the disk stays as it was at that moment."""
    run = tmp_path / "run"
    places = (os, "fsync"), (Path, "rename"), (shutil, "rmtree")
    for stop in itertools.count():
        shutil.rmtree(run, ignore_errors=True)
        (run / "checkpoints").mkdir(parents=True)
        save(checkpoint_path(run, 250), training=record(step=250))
        save(checkpoint_path(run, 500), training=record(step=500))
        with monkeypatch.context() as patch:
            fail(patch, Crash, lambda call, stop=stop: call >= stop, *places)
            try:
                save(checkpoint_path(run, 500), training=record(step=500, val_loss=1.0))
                finished = True
            except Crash:
                finished = False
        for _ in range(2):
            newest = newest_checkpoint(run)
            loaded = load_checkpoint(newest)
            assert loaded.training.step == 500
            assert loaded.training.val_loss in (record().val_loss, 1.0)
            clean_leftovers(run / "checkpoints")
            assert listing(run / "checkpoints") == ["000250", "000500"]
        if finished:
            break
    assert stop >= 10


def test_a_link_stays_one_and_is_followed_and_what_is_no_checkpoint_stays(tmp_path):
    saved = save(tmp_path / "000500", training=record(step=1))
    (tmp_path / "latest").symlink_to(saved)
    save(tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert load_checkpoint(saved).training == record()
    (saved / "config.json").rename(saved / "kept.json")
    (saved / "config.json").symlink_to("kept.json")
    assert load_checkpoint(tmp_path / "latest").training == record()
    (tmp_path / "any").mkdir()
    assert saved.stat().st_mode == (tmp_path / "any").stat().st_mode
    (tmp_path / "file").write_text("")
    for path, message in (
        (tmp_path / "file", "it is a file"),
        (tmp_path / "gone" / "000500", r"the directory .*gone does not exist"),
        ("a\0b", "not a usable path"),
    ):
        with pytest.raises(CheckpointError, match=message):
            save(path)


# Missing or hostile


@pytest.fixture
def saved(tmp_path):
    return save(tmp_path / "000500")


def refused(path, *fragments):
    """Loading is refused in one line that contains every fragment."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < len(str(path)) + 500
    for fragment in fragments:
        assert fragment in message
    return message


def test_missing(tmp_path, saved):
    refused(tmp_path / "nowhere", "nowhere: there is no checkpoint here")
    refused(saved / "config.json", "not a directory")
    refused("a\0b", "there is no checkpoint here")
    refused(tmp_path / ("x" * 5000), "too long")
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    refused(saved, "pytorch_model.bin", "never read", "convert")


def test_memory_stays_below_twice_the_files(tmp_path):
    config = GPTConfig(vocab_size=1000, block_size=64, n_layer=2, n_head=2, n_embd=128)
    save(tmp_path / "c", config, tokenizer=None)
    size = sum(file.stat().st_size for file in (tmp_path / "c").iterdir())
    tracemalloc.start()
    load_checkpoint(tmp_path / "c")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * size


def test_a_tokenizer_that_could_not_be_read_again_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_parts, "TOKENIZER_LIMIT", 100)
    with pytest.raises(CheckpointError, match=r"tokenizer.json: too large.*smaller vocab_size"):
        save(tmp_path / "large")
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "training.json"]
)
def test_only_files_inside_the_checkpoint_are_read(tmp_path, saved, name):
    file = saved / name
    outside = file.rename(tmp_path / "outside")
    for target, message in (
        (outside, "symbolic link out of the checkpoint"),
        (tmp_path / "nothing", "symbolic link to nothing"),
        (name, "cannot be read"),
    ):
        file.symlink_to(target)
        refused(saved, name, message)
        file.unlink()
    for make, remove in ((os.mkdir, os.rmdir), (os.mkfifo, os.remove)):
        make(file)
        refused(saved, name, "not a regular file")
        remove(file)
