"""Checkpoints that are damaged or hostile: refused in one line that says what is wrong.

Any corruption at all is the matter of audits/reliability/corruptions.py.
"""

import json
import os
import re
import shutil
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from audits.reliability.samples import (
    CONFIG,
    TEXT,
    edit_json,
    random_tensors,
    record,
    safetensors_bytes,
    save_everything,
)
from shared.checkpoints import parts as checkpoint_parts
from shared.checkpoints.checkpoint import (
    TrainingRecord,
    load_checkpoint,
)
from shared.config import GPTConfig
from shared.errors import CheckpointError
from shared.text.tokenizers import build_tokenizer
from tests.checkpoint_samples import WQ, refused, resave


@pytest.fixture
def saved(tmp_path):
    return save_everything(tmp_path / "000500")


# What is refused, and what the message says


def test_missing(tmp_path, saved):
    refused(tmp_path / "nowhere", "nowhere", "there is no checkpoint here")
    refused(saved / "config.json", "not a directory")
    refused("a\0b", "there is no checkpoint here")
    refused(tmp_path / ("x" * 5000), "too long")
    for name in ("tokenizer.json", "training.json", "optimizer.safetensors", "config.json"):
        (saved / name).rename(tmp_path / name)
        refused(saved, f"000500/{name}: this file is missing")
        (tmp_path / name).rename(saved / name)
    (saved / "model.safetensors").unlink()
    refused(saved, "model.safetensors: this file is missing")
    (saved / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    refused(saved, "pytorch_model.bin", "never read", "convert")


def test_versions(saved):
    edit_json(saved / "config.json", format_version=2)
    refused(
        saved, "config.json", "written by a newer version", "expected format_version 1, found 2"
    )
    for version in (0, -1, "1", 1.0, True, [1]):
        edit_json(saved / "config.json", format_version=version)
        refused(saved, "format_version: expected 1, found ")


def test_truncated_or_longer(saved):
    file = saved / "model.safetensors"
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for length in (0, 7, 8, 100, header - 1):
        file.write_bytes(whole[:length])
        refused(saved, f"truncated: {length} bytes, which end inside the header")
    for length in (header, header + 1, len(whole) - 1):
        file.write_bytes(whole[:length])
        refused(saved, f"truncated: expected {len(whole)} bytes, found {length}")
    file.write_bytes(whole + b"\0")
    refused(saved, f"too long: expected {len(whole)} bytes, found {len(whole) + 1}")


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
def test_tensors_that_are_not_the_manifests(saved, name):
    file = saved / name
    tensors = load_file(file)
    odd = WQ if name.startswith("model") else f"m.{WQ}"
    infinite = np.full((4, 12), np.inf, np.float32)
    for fragments, wrong in [
        (["is missing", "F32 [4, 12]"], {k: v for k, v in tensors.items() if k != odd}),
        (["'h.9.w'", "F32 [2]", "no part of this model"], tensors | {"h.9.w": np.ones(2, "f")}),
        (["expected F32 [4, 12], found F32 [12, 4]"], tensors | {odd: tensors[odd].T.copy()}),
        (["expected F32 [4, 12], found F16"], tensors | {odd: tensors[odd].astype("float16")}),
        (
            ["expected finite values, found inf at [0, 0]"],
            tensors | {odd: infinite},
        ),
        (["not what was saved"], tensors | {odd: tensors[odd] * 2}),
    ]:
        resave(file, wrong)
        message = refused(saved, name, *fragments)
        assert odd in message or "h.9.w" in message or "sha256" in message


def test_hashes_cannot_be_left_out(saved):
    file = saved / "model.safetensors"
    with safe_open(file, "np") as stored:
        metadata = stored.metadata()
    tensors = load_file(file)
    save_file(tensors, file, metadata={k: v for k, v in metadata.items() if k != "sha256"})
    refused(saved, "model.safetensors: the content hash is missing")
    fewer = json.loads(metadata["files"])
    del fewer["tokenizer.json"]
    for files in ("{}", "", json.dumps(fewer)):
        save_file(tensors, file, metadata=metadata | {"files": files})
        refused(saved, "model.safetensors: not what was saved")
    save_file(tensors, file, metadata=metadata)
    edit_json(saved / "config.json", format_version=None)
    refused(saved, "config.json: not what model.safetensors was saved with")


def test_files_of_another_checkpoint_are_noticed(tmp_path, saved):
    config = replace(CONFIG, layer_norm_epsilon=1e-6)
    other = save_everything(
        tmp_path / "other",
        config,
        training=record(step=501),
        tokenizer=build_tokenizer("char", TEXT[:-1] + "!"),
        moments={"m": random_tensors(CONFIG, seed=8), "v": random_tensors(CONFIG, seed=9)},
    )
    for name in ("config.json", "tokenizer.json", "training.json", "optimizer.safetensors"):
        copy = shutil.copytree(saved, tmp_path / f"with-{name}")
        shutil.copy(other / name, copy / name)
        refused(copy, f"{name}: not what model.safetensors was saved with")


def test_sizes_that_the_file_cannot_have(saved):
    config = (saved / "config.json").read_bytes()
    for change in (
        {"n_layer": 10**9},
        {"n_layer": 2**62},
        {"vocab_size": 2**62},
        {"n_positions": 10**12},
        {"n_inner": 2**40},
        {"n_embd": 2**50, "n_head": 1},
    ):
        (saved / "config.json").write_bytes(config)
        edit_json(saved / "config.json", **change)
        tracemalloc.start()
        refused(saved)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1_000_000


def test_a_header_is_never_larger_than_it_can_be(saved):
    (saved / "model.safetensors").write_bytes(safetensors_bytes(b'{"a":' * 2_000_000))
    refused(saved, "a header of 10000000 bytes is absurd for n_layer 2")
    (saved / "model.safetensors").write_bytes((2**63).to_bytes(8, "little") + b"{}")
    refused(saved, "truncated")


@pytest.mark.parametrize(
    ("header", "fragment"),
    [
        (b'{"a":1,"a":2' + b" " * 999 + b"}", "the key 'a' stands twice"),
        (b'{"__metadata__":{"sha256":"1","sha256":"2"}' + b" " * 999 + b"}", "stands twice"),
        (b"[]" + b" " * 999, "expected a JSON object"),
        (b"\xff" * 999, "not UTF-8"),
        (b"[" * 20000, "nested too deeply"),
        (b'{"a":' + b"9" * 999 + b"}", "does not fit into 64 bits"),
        (b'{"a":9223372036854775808' + b" " * 999 + b"}", "does not fit into 64 bits"),
        (b'{"a":NaN' + b" " * 999 + b"}", "NaN is not finite"),
        (b'{"a":1e999' + b" " * 999 + b"}", "1e999 is not finite"),
        (b'{"a":{"dtype":"F32","shape":4,"data_offsets":[0,4]}' + b" " * 999 + b"}", "tensor 'a'"),
        (b'{"a":{"dtype":"F32","shape":[4]}' + b" " * 999 + b"}", "tensor 'a'"),
        (b'{"a":[]' + b" " * 999 + b"}", "tensor 'a'"),
        (b'{"__metadata__":{"a":1}' + b" " * 999 + b"}", "must map strings to strings"),
        (b'{"__metadata__":7' + b" " * 999 + b"}", "must map strings to strings"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_headers_that_the_library_never_sees(saved, header, fragment):
    (saved / "model.safetensors").write_bytes(safetensors_bytes(header))
    refused(saved, "model.safetensors", fragment)


def test_what_only_the_library_notices(saved):
    """Two tensors in one place: names, shapes and the total size are all as they should be."""
    file = saved / "model.safetensors"
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    ln_1, ln_2 = (header[f"transformer.h.0.ln_{i}.weight"] for i in (1, 2))
    ln_1["data_offsets"] = ln_2["data_offsets"]
    file.write_bytes(safetensors_bytes(header, data[end:]))
    refused(saved, "model.safetensors: cannot be read")


JSON_ATTACKS = [
    (b"", "not valid JSON"),
    (b"{", "not valid JSON"),
    (b"null", "expected a JSON object"),
    (b"[]", "expected a JSON object"),
    (b'{"n_layer": 1, "n_layer": 2}', "the key 'n_layer' stands twice"),
    (b'{"n_layer": NaN}', "not finite"),
    (b'{"n_layer": -Infinity}', "not finite"),
    (b'{"n_layer": 1e400}', "not finite"),
    (b'{"n_layer": ' + b"1" * 60000 + b"}", "does not fit into 64 bits"),
    (b'{"n_layer": -9223372036854775809}', "does not fit into 64 bits"),
    (b"[" * 60000, "nested too deeply"),
    (b'{"a":' * 12000, "nested too deeply"),
    (b"\xff\xfe{\0}\0", "not UTF-8"),
    (b"\xef\xbb\xbf{}", "not valid JSON"),
    (b" " * 70000, "too large: 70000 bytes; at most 65536"),
]


@pytest.mark.parametrize(("data", "fragment"), JSON_ATTACKS, ids=[f for _, f in JSON_ATTACKS])
def test_json_that_is_refused(saved, data, fragment):
    (saved / "config.json").write_bytes(data)
    refused(saved, "config.json", fragment)
    if len(data) <= 65536:
        with pytest.raises(CheckpointError, match=fragment):
            TrainingRecord.from_json(saved / "training.json", data)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"n_layer": "2"}, "n_layer is '2'"),
        ({"n_layer": True}, "n_layer is True"),
        ({"n_layer": 2.0}, "n_layer is 2.0"),
        ({"n_layer": -1}, "n_layer is -1"),
        ({"n_head": 3}, "n_embd 4 is not divisible by n_head 3"),
        ({"n_layer": None}, "the key n_layer is missing"),
        ({"vocab_size": [9]}, "vocab_size is [9]"),
        ({"n_inner": {}}, "n_inner is {}"),
        ({"layer_norm_epsilon": 0}, "layer_norm_epsilon is 0"),
        ({"tie_word_embeddings": "no"}, "tie_weights is 'no'"),
        ({"norm": "both"}, "norm is 'both'"),
        ({"norm": ["pre"]}, "norm is ['pre']"),
        ({"position": "\x1b[2J\n"}, r"position is '\x1b[2J\n'"),
        ({"activation_function": "silu"}, "activation_function: expected one of gelu_new"),
        ({"activation_function": ["relu"]}, "activation_function"),
        ({"model_type": "llama"}, "model_type: expected 'gpt2', found 'llama'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx: only false"),
        ({"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn: only false"),
        ({"scale_attn_weights": False}, "scale_attn_weights: only true"),
        ({"add_cross_attention": 1}, "add_cross_attention: only false"),
        ({"dtype": "float16"}, "dtype: expected float32 or float64, found 'float16'"),
        ({"dtype": None}, "dtype: expected float32 or float64, found None"),
        ({"dtype": "float64"}, "expected F64"),
        ({"norm": "x" * 50000}, "norm is 'xxx"),
    ],
    ids=str,
)
def test_configurations_that_are_refused(saved, change, fragment):
    edit_json(saved / "config.json", **change)
    refused(saved, fragment)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"step": None}, "the key step is missing"),
        ({"hook": "x"}, "the key 'hook' is unknown"),
        ({"step": -1}, "step: expected"),
        ({"train": []}, "train: expected a JSON object"),
        ({"train": {}}, "train: the key batch_size is missing"),
    ],
    ids=str,
)
def test_training_records_that_are_refused(saved, change, fragment):
    file = saved / "training.json"
    edit_json(file, **change)
    with pytest.raises(CheckpointError, match=re.escape(fragment)):
        TrainingRecord.from_json(file, file.read_bytes())
    train = json.loads((saved / "training.json").read_text()).get("train") or {}
    if train:
        edit_json(file, train=train | {"beta1": 1.5})
        with pytest.raises(CheckpointError):
            TrainingRecord.from_json(file, file.read_bytes())


def test_a_file_that_was_not_saved_with_the_others(saved):
    """It would be passed over in silence: somebody has mixed two checkpoints."""
    lonely = save_everything(saved.parent / "lonely", tokenizer=None, training=None, moments=None)
    (lonely / "tokenizer.json").write_bytes((saved / "tokenizer.json").read_bytes())
    refused(lonely, "tokenizer.json: not of this checkpoint", "model.safetensors was saved without")


def test_a_header_cannot_command_the_terminal(saved):
    file = saved / "model.safetensors"
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header[WQ]["dtype"] = "\x1b[2J\n"
    file.write_bytes(safetensors_bytes(header, data[end:]))
    assert "\x1b" not in refused(saved, r"found '\x1b[2J\n'")


def test_a_tokenizer_that_could_not_be_read_again_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_parts, "TOKENIZER_LIMIT", 100)
    with pytest.raises(CheckpointError, match=r"tokenizer.json: too large.*smaller vocab_size"):
        save_everything(tmp_path / "large")
    assert not (tmp_path / "large").exists()


def test_only_files_inside_the_checkpoint_are_read(tmp_path, saved):
    for name in ("config.json", "model.safetensors", "tokenizer.json", "training.json"):
        outside = tmp_path / f"outside-{name}"
        (saved / name).rename(outside)
        (saved / name).symlink_to(outside)
        refused(saved, name, "symbolic link out of the checkpoint")
        (saved / name).unlink()
        (saved / name).symlink_to(tmp_path / "nothing")
        refused(saved, name, "symbolic link to nothing")
        (saved / name).unlink()
        (saved / name).symlink_to(name)
        refused(saved, name, "cannot be read")
        (saved / name).unlink()
        (saved / name).mkdir()
        refused(saved, name, "not a regular file")
        (saved / name).rmdir()
        os.mkfifo(saved / name)
        refused(saved, name, "not a regular file")
        (saved / name).unlink()
        outside.rename(saved / name)
    (saved / "config.json").rename(saved / "kept.json")
    (saved / "config.json").symlink_to("kept.json")
    (tmp_path / "latest").symlink_to(saved)
    load_checkpoint(tmp_path / "latest")


# Memory


def test_memory_stays_below_twice_the_files(tmp_path):
    config = GPTConfig(vocab_size=1000, block_size=64, n_layer=2, n_head=2, n_embd=128)
    save_everything(tmp_path / "c", config, tokenizer=None)
    size = sum(file.stat().st_size for file in (tmp_path / "c").iterdir())
    tracemalloc.start()
    load_checkpoint(tmp_path / "c")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * size
