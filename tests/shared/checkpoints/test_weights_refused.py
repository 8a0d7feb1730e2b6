"""Checkpoints that are missing or hostile: refused in one line, and nothing else is touched.

conformance/shared/test_shared_damage.py tests damage, and audits/reliability/corruptions.py any
corruption at all.
"""

import os
import tracemalloc

import pytest

from audits.reliability.samples import edit_json, safetensors_bytes, save_everything
from shared.checkpoints import parts as checkpoint_parts
from shared.checkpoints.checkpoint import load_checkpoint
from shared.config import GPTConfig
from shared.errors import CheckpointError


@pytest.fixture
def saved(tmp_path):
    return save_everything(tmp_path / "000500")


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


def peak_of(work, *arguments) -> int:
    """The most memory that it takes, in bytes."""
    tracemalloc.start()
    work(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "change",
    [
        {"n_layer": 10**9},
        {"n_layer": 2**62},
        {"vocab_size": 2**62},
        {"n_positions": 10**12},
        {"n_inner": 2**40},
        {"n_embd": 2**50, "n_head": 1},
    ],
    ids=str,
)
def test_sizes_that_the_file_cannot_have(saved, change):
    edit_json(saved / "config.json", **change)
    assert peak_of(refused, saved) < 1_000_000


def test_memory_stays_below_twice_the_files(tmp_path):
    config = GPTConfig(vocab_size=1000, block_size=64, n_layer=2, n_head=2, n_embd=128)
    save_everything(tmp_path / "c", config, tokenizer=None)
    size = sum(file.stat().st_size for file in (tmp_path / "c").iterdir())
    assert peak_of(load_checkpoint, tmp_path / "c") < 1.5 * size


def test_a_header_is_never_larger_than_it_can_be(saved):
    (saved / "model.safetensors").write_bytes(safetensors_bytes(b'{"a":' * 2_000_000))
    refused(saved, "a header of 10000000 bytes is absurd for n_layer 2")
    (saved / "model.safetensors").write_bytes((2**63).to_bytes(8, "little") + b"{}")
    refused(saved, "truncated")


def test_a_tokenizer_that_could_not_be_read_again_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_parts, "TOKENIZER_LIMIT", 100)
    with pytest.raises(CheckpointError, match=r"tokenizer.json: too large.*smaller vocab_size"):
        save_everything(tmp_path / "large")
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


def test_links_inside_the_checkpoint_and_to_it_are_followed(tmp_path, saved):
    (saved / "config.json").rename(saved / "kept.json")
    (saved / "config.json").symlink_to("kept.json")
    (tmp_path / "latest").symlink_to(saved)
    load_checkpoint(tmp_path / "latest")
