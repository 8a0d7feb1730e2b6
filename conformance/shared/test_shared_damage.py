"""What shared/checkpoints/ must refuse to save and to load; GPT-2's own files; the newest one.

A checkpoint is read as exactly what was saved or not at all.
"""

import json
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
from conformance.shared.test_shared_checkpoints import ADAMW, FILES, Tensors, draw, record, save
from conformance.truths.by_definition import fault_in, manifest, same_tensors
from shared.checkpoints.checkpoint import (
    TrainingRecord,
    checkpoint_path,
    clean_leftovers,
    load_checkpoint,
    newest_checkpoint,
)
from shared.checkpoints.directories import REPLACED
from shared.checkpoints.untrusted import parse_object
from shared.errors import CheckpointError, ConfigError
from shared.text.tokenizers import build_tokenizer

TIED = replace(BASE, tie_weights=True)
WQ = "transformer.h.0.attn.c_attn.weight"
GOOD = draw(BASE)
MODEL, OPTIMIZER = "model.safetensors", "optimizer.safetensors"


@pytest.fixture(autouse=True)
def do_not_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


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
    """The good weights, but for the last number of one of them."""
    array = GOOD[WQ].copy()
    array[-1, -1] = value
    return GOOD | {WQ: array}


REFUSED_TO_SAVE: dict[str, dict[str, Any]] = {
    "NaN": {"weights": with_one(np.nan)},
    "infinity": {"weights": with_one(-np.inf)},
    "a tensor missing": {"weights": {name: v for name, v in GOOD.items() if name != WQ}},
    "a tensor too many": {"weights": GOOD | {"extra": np.ones(1, np.float32)}},
    "transposed": {"weights": GOOD | {WQ: GOOD[WQ].T}},
    "another precision": {"weights": GOOD | {WQ: GOOD[WQ].astype(np.float64)}},
    "half precision": {"weights": {name: v.astype(np.float16) for name, v in GOOD.items()}},
    "NaN in v": {"moments": {"m": GOOD, "v": with_one(np.nan)}},
    "no v": {"moments": {"m": GOOD}},
    "moments of SGD": {"training": record(train=replace(ADAMW, optimizer="sgd"))},
    "moments without a record": {"training": None},
    "another precision in the record": {"training": record("float64")},
    "another tokenizer": {"tokenizer": build_tokenizer("byte", "")},
    "another kind of tokenizer": {"training": record(tokenizer="word")},
}


@pytest.mark.parametrize("parts", REFUSED_TO_SAVE.values(), ids=REFUSED_TO_SAVE)
@fault_in("shared/checkpoints/checkpoint.py or shared/checkpoints/tensors.py")
def test_not_saved(c: Path, parts: dict[str, Any]) -> None:
    """What is no state of this model; the checkpoint that was there stays as it is."""
    with pytest.raises(CheckpointError):
        save(c, **parts)
    same_tensors(load_checkpoint(c).weights, GOOD)
    assert sorted(entry.name for entry in c.parent.iterdir()) == ["c", "other"]


@fault_in("shared/checkpoints/checkpoint.py")
def test_a_save_replaces_a_checkpoint_and_nothing_else(c: Path) -> None:
    save(c, weights=draw(BASE, seed=9), moments=None, tokenizer=None)
    loaded = load_checkpoint(c)
    same_tensors(loaded.weights, draw(BASE, seed=9))
    assert (loaded.tokenizer, loaded.moments) == (None, None)
    (c / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"notes\.txt"):
        save(c)
    assert (c / "notes.txt").read_text() == "mine"


# To load


def flip(path: Path, at: int) -> None:
    """One bit of one byte."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, indent=2) + "\n")


def rewrite(path: Path, change: Callable[[Tensors], object]) -> None:
    """Other tensors under the hashes of the old ones."""
    tensors = load_file(path)
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    change(tensors)
    save_file(tensors, path, metadata=metadata)


def swap_moments(tensors: Tensors) -> None:
    for name in manifest(BASE):
        tensors[f"m.{name}"], tensors[f"v.{name}"] = tensors[f"v.{name}"], tensors[f"m.{name}"]


OTHER = build_tokenizer("char", "".join(map(chr, range(0xC1, 0xC1 + 37)))).to_json()
DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit in the middle": lambda c: flip(c / MODEL, -9999),
    "a bit of the last weight": lambda c: flip(c / MODEL, -1),
    "a bit of the last moment": lambda c: flip(c / OPTIMIZER, -1),
    "heads": lambda c: edit(c / "config.json", n_head=2),
    "epsilon": lambda c: edit(c / "config.json", layer_norm_epsilon=2e-5),
    "precision": lambda c: edit(c / "config.json", dtype="float64"),
    "a later format": lambda c: edit(c / "config.json", format_version=2),
    "no format": lambda c: edit(c / "config.json", format_version=0),
    "another record": lambda c: edit(c / "training.json", step=3),
    "another tokenizer": lambda c: (c / "tokenizer.json").write_text(OTHER),
    "a weight is NaN": lambda c: rewrite(c / MODEL, lambda t: t[WQ].fill(np.nan)),
    "a weight is missing": lambda c: rewrite(c / MODEL, lambda t: t.pop(WQ)),
    "a weight too many": lambda c: rewrite(c / MODEL, lambda t: t.update(x=GOOD[WQ])),
    "transposed": lambda c: rewrite(c / MODEL, lambda t: t.update({WQ: t[WQ].T.copy()})),
    "hashes are gone": lambda c: save_file(load_file(c / MODEL), c / MODEL),
    "m and v change places": lambda c: rewrite(c / OPTIMIZER, swap_moments),
    "moments of another step": lambda c: shutil.copy(c.parent / "other" / OPTIMIZER, c),
    "weights of another step": lambda c: shutil.copy(c.parent / "other" / MODEL, c),
    "cut short": lambda c: (c / MODEL).write_bytes((c / MODEL).read_bytes()[:-1]),
    "too long": lambda c: (c / MODEL).write_bytes((c / MODEL).read_bytes() + b"\0"),
    **{f"no {name}": lambda c, name=name: (c / name).unlink() for name in FILES},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@fault_in(
    "shared/checkpoints/checkpoint.py, shared/checkpoints/parts.py or shared/checkpoints/tensors.py"
)
def test_not_loaded(c: Path, damage: Callable[[Path], object]) -> None:
    """What is not exactly what was saved."""
    load_checkpoint(c)
    damage(c)
    with pytest.raises(CheckpointError, match=str(c)):
        load_checkpoint(c)


@fault_in("shared/checkpoints/checkpoint.py")
def test_a_file_of_another_checkpoint_is_not_taken_in(c: Path) -> None:
    """Moments beside weights that were saved without any."""
    save(c, moments=None)
    shutil.copy(c.parent / "other" / OPTIMIZER, c)
    with pytest.raises(CheckpointError, match=OPTIMIZER):
        load_checkpoint(c)


# Of which only one meaning is right: others take the last of two keys, NaN, or 2^63 as a float.
JSON_READ = [b"{}", b'{"a": [9223372036854775807, -9223372036854775808, 1e308, null]}']
JSON_REFUSED = [
    *(b"[1]", b"{", b"\xff{}", b'{"a": 1, "a": 1}', b'{"a": NaN}', b'{"a": -Infinity}'),
    *(b'{"a": 1e999}', b'{"a": 9223372036854775808}', b'{"a": -9223372036854775809}'),
    *(b'{"a": ' + b"[" * 100_000, b'{"a": {"b": 1, "b": 2}}'),
]
RECORDS_REFUSED: list[dict[str, Any]] = [
    *({"step": -1}, {"step": 2**63}, {"step": 1.0}, {"seed": 8}, {"dtype": "f"}),
    *({"dataset": ""}, {"tokenizer": None}, {"backend": 3}, {"versions": {"numpy": 2}}),
    *({"dataset_sha256": "0" * 63}, {"dataset_sha256": "A" * 64}, {"init_from_sha256": None}),
    *({"init_from": None}, {"init_from": ""}, {"val_loss": np.nan}, {"val_loss": True}),
    *({"step": True}, {"dataset": None}, {"dataset_sha256": "0" * 63 + "G"}, {"dtype": []}),
    *({"val_loss": "low"}, {"versions": []}),
]


@fault_in("shared/checkpoints/untrusted.py or shared/checkpoints/record.py")
def test_json_and_records_that_nothing_wrote(tmp_path: Path) -> None:
    """Neither is taken for something like it."""
    file = tmp_path / "training.json"
    assert [parse_object(file, data) for data in JSON_READ] == [json.loads(d) for d in JSON_READ]
    for data in JSON_REFUSED:
        with pytest.raises(CheckpointError, match=str(file)):
            parse_object(file, data)
    for changes in RECORDS_REFUSED:
        with pytest.raises(ConfigError, match=next(iter(changes)).partition("_")[0]):
            record(**changes)
    with pytest.raises(ConfigError, match="train"):
        replace(record(), train={})
    table = json.loads(record().to_json())
    for wrong in (table | {"more": 1}, table | {"train": {}}, {"step": 3}, table | {"step": -1}):
        with pytest.raises(CheckpointError, match=str(file)):
            TrainingRecord.from_json(file, json.dumps(wrong).encode())
    older = {key: value for key, value in table.items() if not key.startswith("init_from")}
    read = TrainingRecord.from_json(file, json.dumps(older).encode())
    assert read == record(init_from=None, init_from_sha256=None), "before there was fine-tuning"


# GPT-2's own files


def hub(path: Path, tensors: Tensors, **changes: object) -> Path:
    """As the hub has them: sizes, and no word of what is GPT-2's anyway."""
    sizes = {"vocab_size": 37, "n_positions": 11, "n_layer": 2, "n_head": 4, "n_embd": 24}
    path.mkdir()
    (path / "config.json").write_text(json.dumps(sizes | {"n_inner": 40} | changes))
    save_file(tensors, path / MODEL)
    return path


@pytest.mark.parametrize("prefix", ["", "transformer."])
@fault_in("shared/checkpoints/gpt2_format.py or shared/checkpoints/parts.py")
def test_gpt2_from_the_hub(tmp_path: Path, prefix: str) -> None:
    """Tied, tanh GELU, ε 1e-5 where nothing is said; masks and a second copy are dropped."""
    weights = draw(TIED)
    stored = {name.replace("transformer.", prefix): value for name, value in weights.items()}
    stored[f"{prefix}h.1.attn.bias"] = np.tril(np.ones((1, 1, 11, 11), np.float32))
    stored[f"{prefix}h.1.attn.masked_bias"] = np.array(-1e4, np.float32)
    loaded = load_checkpoint(hub(tmp_path / "plain", stored))
    assert (loaded.config, loaded.dtype) == (TIED, "float32")
    assert (loaded.tokenizer, loaded.training, loaded.moments) == (None, None, None)
    same_tensors(loaded.weights, weights)
    double = {name: value.astype(np.float64) for name, value in weights.items()}
    same_tensors(load_checkpoint(hub(tmp_path / "double", double)).weights, double)
    twice = stored | {"lm_head.weight": weights["transformer.wte.weight"].copy()}
    same_tensors(load_checkpoint(hub(tmp_path / "twice", twice)).weights, weights)
    untied = hub(tmp_path / "untied", twice, tie_word_embeddings=False)
    assert load_checkpoint(untied).config == BASE
    (tmp_path / "plain" / "tokenizer.json").write_text(build_tokenizer("byte", "").to_json())
    with pytest.raises(CheckpointError, match="vocab_size: expected 37, found 256"):
        load_checkpoint(tmp_path / "plain")
    for name, tensors, changes in (
        ("another head", stored | {"lm_head.weight": draw(BASE)["lm_head.weight"]}, {}),
        ("no bias", {n: v for n, v in stored.items() if "c_fc.bias" not in n}, {}),
        ("scaled otherwise", stored, {"scale_attn_by_inverse_layer_idx": True}),
        ("not scaled", stored, {"scale_attn_weights": False}),
        ("another model", stored, {"model_type": "llama"}),
        ("another activation", stored, {"activation_function": "silu"}),
        ("impossible", stored, {"n_head": 5}),
        ("another mask", stored | {f"{prefix}h.0.attn.bias": np.ones((1, 1, 9, 9), "f")}, {}),
        ("a name twice", stored | weights | {"wte.weight": weights["transformer.wte.weight"]}, {}),
        ("half precision", {n: v.astype(np.float16) for n, v in weights.items()}, {}),
    ):
        with pytest.raises(CheckpointError):
            load_checkpoint(hub(tmp_path / name, tensors, **changes))


# Which checkpoint


@fault_in("shared/checkpoints/directories.py")
def test_the_newest_checkpoint(tmp_path: Path) -> None:
    """The highest step as a number, whole, and in its place; leftovers of a crash do not count."""
    assert checkpoint_path("runs/x", 500) == Path("runs/x/checkpoints/000500")
    assert checkpoint_path("runs/x", 12_345_678) == Path("runs/x/checkpoints/12345678")
    assert newest_checkpoint(tmp_path) is None
    old = tmp_path / REPLACED / "checkpoints" / "000009"
    old.mkdir(parents=True)
    assert newest_checkpoint(tmp_path) == old, "an earlier run, until there is something new"
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    assert newest_checkpoint(tmp_path) == old
    for name in ("000002", "999999", "1000000", ".2000000.tmp-1-ab", "12", "latest"):
        (checkpoints / name).mkdir()
    (checkpoints / "2000000").write_text("a file")
    assert newest_checkpoint(tmp_path) == checkpoints / "1000000"
    aside = checkpoints / ".3000000.old-1-ab"
    aside.mkdir()
    assert newest_checkpoint(tmp_path) == aside, "a save broke off between its two renames"
    clean_leftovers(checkpoints)
    assert newest_checkpoint(tmp_path) == checkpoints / "3000000"
    assert not [entry for entry in checkpoints.iterdir() if entry.name.startswith(".")]
    assert (checkpoints / "latest").is_dir()
    clean_leftovers(tmp_path / "nothing")
