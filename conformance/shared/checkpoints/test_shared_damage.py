"""Checkpoints that shared/checkpoints/ must refuse to save or to load. A checkpoint is loaded
exactly as it was saved, or not at all. Here is one example of every kind of damage, with its
message; audits/reliability/ has thousands."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from conformance.cases import BASE
from conformance.shared.checkpoints.samples import SGD, Tensors, draw, record, save
from conformance.shared.checkpoints.test_shared_checkpoints import FILES
from conformance.truths.by_definition import manifest, same_tensors
from shared.checkpoints.checkpoint import TrainingRecord, load_checkpoint
from shared.errors import CheckpointError, ConfigError
from shared.text.tokenizers import build_tokenizer

WQ = "transformer.h.0.attn.c_attn.weight"
M = f"m.{WQ}"
GOOD = draw(BASE)
Q = GOOD[WQ]
WITHOUT = {name: value for name, value in GOOD.items() if name != WQ}
ONE = np.ones(1, np.float32)
BYTE = build_tokenizer("byte", "")
MODEL, OPTIMIZER = "model.safetensors", "optimizer.safetensors"


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of one training, c and other."""
    path = tmp_path_factory.mktemp("originals")
    save(path / "c")
    moments = {"m": draw(BASE, seed=5), "v": draw(BASE, seed=6)}
    save(path / "other", weights=draw(BASE, seed=4), moments=moments)
    return path


@pytest.fixture
def c(originals: Path, tmp_path: Path) -> Path:
    shutil.copytree(originals, tmp_path / "run")
    return tmp_path / "run" / "c"


# To save


def with_one(value: float) -> Tensors:
    """The good weights, except for the last number of one of them."""
    array = Q.copy()
    array[-1, -1] = value
    return GOOD | {WQ: array}


REFUSED_TO_SAVE: dict[str, tuple[str, dict[str, Any]]] = {
    "NaN": ("expected finite values, found nan at [23, 71]", {"weights": with_one(np.nan)}),
    "a tensor missing": ("is missing; expected F32 [24, 72]", {"weights": WITHOUT}),
    "a tensor too many": ("'extra', F32 [1], is no part", {"weights": GOOD | {"extra": ONE}}),
    "transposed": ("found F32 [72, 24]", {"weights": GOOD | {WQ: Q.T}}),
    "another precision": ("found F64 [24, 72]", {"weights": GOOD | {WQ: Q.astype("d")}}),
    "nothing": ("expected float32 or float64, found none", {"weights": {}}),
    "NaN in v": (f"tensor v.{WQ}: expected fin", {"moments": {"m": GOOD, "v": with_one(np.nan)}}),
    "no v": ("moments of adamw: expected ['m', 'v'], found ['m']", {"moments": {"m": GOOD}}),
    "moments of SGD": ("expected [], found ['m', 'v']", {"training": record(train=SGD)}),
    "moments without a record": ("moments, but no training.json", {"training": None}),
    "dtype of the record": ("expected 'float32', found 'f", {"training": record("float64")}),
    "another tokenizer": ("vocab_size: expected 37, found 256", {"tokenizer": BYTE}),
    "kind of tokenizer": ("expected 'char', found 'w", {"training": record(tokenizer="word")}),
}


@pytest.mark.parametrize(("message", "parts"), REFUSED_TO_SAVE.values(), ids=REFUSED_TO_SAVE)
def test_not_saved(c: Path, message: str, parts: dict[str, Any]) -> None:
    """What is not a state of this model is refused; an existing checkpoint does not change."""
    with pytest.raises(CheckpointError, match=re.escape(message)):
        save(c, **parts)
    same_tensors(load_checkpoint(c).weights, GOOD)
    assert sorted(entry.name for entry in c.parent.iterdir()) == ["c", "other"]


def test_a_save_replaces_a_checkpoint_and_nothing_else(c: Path) -> None:
    save(c, weights=draw(BASE, seed=9), moments=None, tokenizer=None)
    loaded = load_checkpoint(c)
    same_tensors(loaded.weights, draw(BASE, seed=9))
    assert (loaded.tokenizer, loaded.moments) == (None, None)
    (c / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"'notes.txt' in it is no part of a checkpoint"):
        save(c)
    assert (c / "notes.txt").read_text() == "mine"


# To load


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def edit(path: Path, **changes: object) -> None:
    """Set keys; None removes one."""
    table = json.loads(path.read_text()) | changes
    kept = {key: value for key, value in table.items() if value is not None}
    path.write_text(json.dumps(kept, indent=2) + "\n")


def rewrite(path: Path, change: Callable[[Tensors], object], **metadata: str) -> None:
    """Store other tensors under the hashes of the old ones."""
    tensors = load_file(path)
    with safe_open(path, "np") as file:
        metadata = file.metadata() | metadata
    change(tensors)
    save_file(tensors, path, metadata=metadata)


def swap_moments(tensors: Tensors) -> None:
    for name in manifest(BASE):
        tensors[f"m.{name}"], tensors[f"v.{name}"] = tensors[f"v.{name}"], tensors[f"m.{name}"]


def with_tensors(name: str, change: Callable[[Tensors], object]) -> Callable[[Path], None]:
    return lambda c: rewrite(c / name, change)


def with_wq(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return with_tensors(MODEL, lambda tensors: tensors.update({WQ: change(tensors[WQ])}))


def from_other(name: str) -> Callable[[Path], object]:
    return lambda c: shutil.copy(c.parent / "other" / name, c)


# For each message, the change of config.json that causes it.
CONFIGS_REFUSED: dict[str, dict[str, object]] = {
    "config.json: n_embd 24 is not divisible by n_head 5": {"n_head": 5},
    "the key n_layer is missing": {"n_layer": None},
    r"position is '\x1b[2J\n'": {"position": "\x1b[2J\n"},
    "expected one of gelu_new, gelu, relu": {"activation_function": "silu"},
    "model_type: expected 'gpt2', found 'llama'": {"model_type": "llama"},
    "scale_attn_by_inverse_layer_idx: only false": {"scale_attn_by_inverse_layer_idx": True},
    "scale_attn_weights: only true": {"scale_attn_weights": False},
    "dtype: expected float32 or float64, found 'float16'": {"dtype": "float16"},
    "config.json: not what model.safetensors was saved with": {"n_head": 2},
    "a newer version of this project: expected format_version 1, found 2": {"format_version": 2},
    "format_version: expected 1, found True": {"format_version": True},
}
OTHER = build_tokenizer("char", "".join(map(chr, range(0xC1, 0xC1 + 37)))).to_json()
NOT_SAVED, NOT_WITH = "not what was saved: expected sha256", "not what model.safetensors was saved"
DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a bit of the last weight": (NOT_SAVED, lambda c: flip(c / MODEL, -1)),
    "a bit of the last moment": (f"{OPTIMIZER}: not wh", lambda c: flip(c / OPTIMIZER, -1)),
    "another record": (f"training.json: {NOT_WITH}", lambda c: edit(c / "training.json", step=3)),
    "another tokenizer": (NOT_WITH, lambda c: (c / "tokenizer.json").write_text(OTHER)),
    "NaN": ("found nan at [0, 0]", with_wq(lambda wq: wq * np.float32("nan"))),
    "a weight is missing": ("expected F32 [24, 72]", with_tensors(MODEL, lambda t: t.pop(WQ))),
    "too many": ("'x\\n', F32 [24, 72], is", with_tensors(MODEL, lambda t: t.update({"x\n": Q}))),
    "transposed": ("[24, 72], found F32 [72, 24]", with_wq(lambda wq: wq.T.copy())),
    "no hashes": ("the content hash is m", lambda c: save_file(load_file(c / MODEL), c / MODEL)),
    "m and v change places": (f"{OPTIMIZER}: not wh", with_tensors(OPTIMIZER, swap_moments)),
    "a moment is NaN": ("nan at [0, 0]", with_tensors(OPTIMIZER, lambda t: t[M].fill(np.nan))),
    "moments of another step": (f"{OPTIMIZER}: {NOT_WITH}", from_other(OPTIMIZER)),
    "weights of another step": (NOT_WITH, from_other(MODEL)),
    "cut short": ("truncated: expected", lambda c: os.truncate(c / MODEL, 30_000)),
    "no JSON": ("config.json: not valid", lambda c: (c / "config.json").write_text("{")),
    "large": ("large: 65537 bytes; at", lambda c: (c / "config.json").write_bytes(b" " * 65537)),
    **{
        f"no {name}": (f"{name}: this file is missing", lambda c, name=name: (c / name).unlink())
        for name in FILES
        if name != OPTIMIZER
    },
    **{
        message: (message, lambda c, change=change: edit(c / "config.json", **change))
        for message, change in CONFIGS_REFUSED.items()
    },
}


@pytest.mark.parametrize(("message", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_not_loaded(c: Path, message: str, damage: Callable[[Path], object]) -> None:
    """Any change since saving is refused, in one short line."""
    load_checkpoint(c)
    damage(c)
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        load_checkpoint(c)
    said = str(caught.value)
    assert said.startswith(str(c))
    assert "\n" not in said
    assert len(said) < len(str(c)) + 500


def test_without_its_moments_a_checkpoint_is_a_model(c: Path) -> None:
    """Moments are two thirds of its size, and only resuming needs them."""
    whole = load_checkpoint(c)
    (c / OPTIMIZER).unlink()
    slim = load_checkpoint(c)
    assert (slim.moments, slim.training, slim.config) == (None, whole.training, whole.config)
    same_tensors(slim.weights, whole.weights)


def test_what_cannot_be_read_is_not_saved(c: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is read back before it replaces another, which stays if the reading fails."""
    before = {file.name: file.read_bytes() for file in c.iterdir()}
    monkeypatch.setattr(TrainingRecord, "to_json", lambda self: b'{"step": 10000000000000000000}')
    with pytest.raises(CheckpointError, match="does not fit into 64 bits"):
        save(c)
    assert {file.name: file.read_bytes() for file in c.iterdir()} == before
    assert [entry.name for entry in c.parent.iterdir() if entry.name.startswith(".")] == []


def test_a_file_of_another_checkpoint_is_not_taken_in(c: Path) -> None:
    """Moments beside weights that were saved without any."""
    save(c, moments=None)
    shutil.copy(c.parent / "other" / OPTIMIZER, c)
    with pytest.raises(CheckpointError, match=f"{OPTIMIZER}: not of this checkpoint: .*without it"):
        load_checkpoint(c)


# Other readers accept a key that occurs twice, NaN, or 2^63 as a float.
JSON_REFUSED = [
    ("not valid JSON", b"\xef\xbb\xbf{}"),
    ("expected a JSON object", b"[1]"),
    ("not UTF-8 at byte 0", b"\xff{}"),
    ("the key 'b' stands twice", b'{"a": {"b": 1, "c": 3, "b": 2}}'),
    ("the number NaN is not finite", b'{"a": NaN}'),
    ("the number 1e999 is not finite", b'{"a": 1e999}'),
    ("the integer 9223372036854775808 does not fit into 64 bits", b'{"a": 9223372036854775808}'),
    ("JSON nested too deeply", b"[" * 100_000),
]
RECORDS_REFUSED: list[dict[str, Any]] = [
    *({"step": -1}, {"step": 2**63}, {"step": 1.0}, {"seed": 8}, {"dtype": "f"}, {"train": {}}),
    *({"dataset": ""}, {"tokenizer": None}, {"backend": 3}, {"versions": {"numpy": 2}}),
    *({"dataset_sha256": "A" * 64}, {"init_from_sha256": None}, {"init_from": None}),
    *({"val_loss": np.nan}, {"val_loss": True}),
]


def test_json_and_records_that_nothing_wrote(tmp_path: Path) -> None:
    """They are refused, not taken for something similar."""
    file = tmp_path / "training.json"
    for message, data in JSON_REFUSED:
        with pytest.raises(CheckpointError, match=f"{file}: .*{re.escape(message)}"):
            TrainingRecord.from_json(file, data)
    for changes in RECORDS_REFUSED:
        with pytest.raises(ConfigError, match=next(iter(changes)).partition("_")[0]):
            replace(record(), **changes)
    table = json.loads(record().to_json())
    for message, wrong in (
        ("the key 'more' is unknown", table | {"more": 1}),
        ("train: the key batch_size is missing", table | {"train": {}}),
        ("step is -1; it must be a whole number, 0 or more", table | {"step": -1}),
    ):
        with pytest.raises(CheckpointError, match=re.escape(f"{file}: {message}")):
            TrainingRecord.from_json(file, json.dumps(wrong).encode())
    older = {key: value for key, value in table.items() if not key.startswith("init_from")}
    older["train"] = {key: value for key, value in table["train"].items() if key != "accumulate"}
    read = TrainingRecord.from_json(file, json.dumps(older).encode())
    train = replace(record().train, accumulate=1)
    assert read == record(init_from=None, init_from_sha256=None, train=train)
