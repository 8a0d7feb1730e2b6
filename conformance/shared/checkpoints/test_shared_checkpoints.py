"""Checkpoints (shared/checkpoints/): a checkpoint is loaded as it was saved. The files are also
read by the safetensors library and `json`, and must have the names, layouts and hashes of older
checkpoints, so that a program that passes can read those, too."""

import json
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from conformance.cases import BASE
from conformance.protocol.test_inputs import LAYOUTS
from conformance.shared.checkpoints.samples import SGD, TOKENIZER, Tensors, draw, record, save
from conformance.truths.by_definition import manifest, same_tensors
from shared.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from shared.config import GPTConfig

# No field has its default, here or in samples.py, so that none can be lost unnoticed.
ORIGINAL = GPTConfig(37, 11, 1, 3, 24, 40, "relu", "post", "sinusoidal", False, True, 3e-4, 0.2)
CONFIGS = {
    "base": BASE,
    "tied": replace(BASE, tie_weights=True),
    "no bias": replace(BASE, bias=False),
    "erf": replace(BASE, activation="gelu_erf", n_layer=3),
    "original": ORIGINAL,
}
FILES = ["config.json", "model.safetensors", "optimizer.safetensors", "tokenizer.json"]
FILES.append("training.json")


def test_every_field_is_off_its_default() -> None:
    for config in (ORIGINAL, SGD, record()):
        for field in fields(config):
            assert field.default is MISSING or getattr(config, field.name) != field.default, field


# What comes back


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_round_trip(tmp_path: Path, config: GPTConfig, dtype: str, forced: Callable) -> None:
    """Every part, bit for bit, even if the program changes its arrays after saving."""
    weights, m, v = (draw(config, dtype, seed) for seed in range(3))
    save(tmp_path / "c", config, dtype, weights=weights, moments={"m": m, "v": v})
    assert forced(tmp_path), "its name could be lost"
    for value in (*weights.values(), *m.values(), *v.values()):
        value.fill(7)
    loaded = load_checkpoint(tmp_path / "c")
    assert (loaded.config, loaded.dtype, loaded.training) == (config, dtype, record(dtype))
    assert loaded.tokenizer.to_json() == TOKENIZER.to_json()
    same_tensors(loaded.weights, draw(config, dtype), "weights")
    assert list(loaded.moments) == ["m", "v"]
    same_tensors(loaded.moments["m"], draw(config, dtype, 1), "m")
    same_tensors(loaded.moments["v"], draw(config, dtype, 2), "v")
    assert all(value.flags.carray for value in loaded.weights.values()), "cannot be trained on"
    assert [entry.name for entry in tmp_path.iterdir()] == ["c"], "something was left beside it"


def test_parts_that_may_be_absent(tmp_path: Path) -> None:
    """Having no moments, as with SGD, differs from moments that were not kept; and so on."""
    of_sgd = record(train=SGD, val_loss=None)
    at_first = record(init_from=None, init_from_sha256=None, step=0)
    cases = (("sgd", of_sgd, {}), ("sgd, not kept", of_sgd, None), ("not kept", at_first, None))
    for name, training, moments in cases:
        loaded = load_checkpoint(save(tmp_path / name, training=training, moments=moments))
        assert (loaded.training, loaded.moments) == (training, moments)
    bare = save(tmp_path / "bare", tokenizer=None, training=None, moments=None)
    loaded = load_checkpoint(str(bare))
    assert (loaded.tokenizer, loaded.training, loaded.moments) == (None, None, None)
    same_tensors(loaded.weights, draw(BASE))
    assert sorted(path.name for path in bare.iterdir()) == FILES[:2]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_values_are_saved_and_not_memory(tmp_path: Path, layout: Callable) -> None:
    awkward = {name: layout(value) for name, value in draw(BASE).items()}
    save(tmp_path / "c", weights=awkward, moments={"m": awkward, "v": draw(BASE, seed=2)})
    loaded = load_checkpoint(tmp_path / "c")
    same_tensors(loaded.weights, draw(BASE), "weights")
    same_tensors(loaded.moments["m"], draw(BASE), "m")


# What is on disk


def content_hash(tensors: Tensors, metadata: dict[str, str]) -> str:
    """All metadata; then by name: name, precision and shape as JSON, and the bytes."""
    digest = sha256(json.dumps(metadata, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(json.dumps([name, value.dtype.name, value.shape]).encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def test_tensors_on_disk(tmp_path: Path) -> None:
    """Names, values, precision, metadata and hashes, as another program reads them."""
    c = save(tmp_path / "c", ORIGINAL, "float64")
    assert sorted(path.name for path in c.iterdir()) == FILES
    model, optimizer = (load_file(c / f"{name}.safetensors") for name in ("model", "optimizer"))
    shapes, metadata = manifest(ORIGINAL), {}
    same_tensors({name: model.get(name) for name in shapes}, draw(ORIGINAL, "float64"))
    assert set(model) == set(shapes)
    assert set(optimizer) == {f"{kind}.{name}" for kind in "mv" for name in shapes}
    for seed, kind in ((1, "m"), (2, "v")):
        found = {name: optimizer[f"{kind}.{name}"] for name in shapes}
        same_tensors(found, draw(ORIGINAL, "float64", seed), kind)
    for name in ("model", "optimizer"):
        with safe_open(c / f"{name}.safetensors", "np") as file:
            metadata[name] = file.metadata()
    assert metadata["optimizer"] == {"sha256": content_hash(optimizer, {})}
    hashes = {file.name: sha256(file.read_bytes()).hexdigest() for file in c.glob("*.json")}
    hashes["optimizer.safetensors"] = content_hash(optimizer, {})
    signed = {"format": "pt", "files": json.dumps(hashes, sort_keys=True)}
    assert metadata["model"] == signed | {"sha256": content_hash(model, signed)}
    for i in range(6):  # the library alone would write the metadata in any order
        again = save(tmp_path / str(i), ORIGINAL, "float64")
        for name in FILES:
            assert (again / name).read_bytes() == (c / name).read_bytes(), f"{name}: other bytes"


CONFIG_JSON = {
    **{"model_type": "minigpt", "architectures": ["MiniGPT"], "vocab_size": 37},
    **{"n_positions": 11, "n_ctx": 11, "n_layer": 1, "n_head": 3, "n_embd": 24, "n_inner": 40},
    **{"activation_function": "relu", "layer_norm_epsilon": 3e-4, "tie_word_embeddings": True},
    **{"norm": "post", "position": "sinusoidal", "bias": False},
    **dict.fromkeys(("dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.2),
    **{"bos_token_id": None, "eos_token_id": None},
    **{"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False},
    **{"reorder_and_upcast_attn": False, "add_cross_attention": False},
    **{"dtype": "float64", "format_version": 1},
}
GPT2, OURS = ("gpt2", ["GPT2LMHeadModel"]), ("minigpt", ["MiniGPT"])
KINDS: list[tuple[dict[str, Any], Any, str]] = [
    ({}, GPT2, "gelu_new"),
    ({"tie_weights": True, "activation": "gelu_erf"}, GPT2, "gelu"),
    ({"norm": "post", "activation": "relu"}, OURS, "relu"),
    ({"bias": False}, OURS, "gelu_new"),
    ({"position": "sinusoidal"}, OURS, "gelu_new"),
]


def test_json_on_disk(tmp_path: Path) -> None:
    """Key by key. Only models that GPT-2's own program can compute are called GPT-2."""
    c = save(tmp_path / "c", ORIGINAL, "float64")
    assert json.loads((c / "config.json").read_text()) == CONFIG_JSON
    expected = json.dumps(asdict(record("float64")), indent=2, sort_keys=True) + "\n"
    assert (c / "training.json").read_text() == expected, "`diff` must be able to compare two"
    assert (c / "tokenizer.json").read_text(encoding="utf-8") == TOKENIZER.to_json()
    for i, (change, kind, activation) in enumerate(KINDS):
        config = replace(BASE, **change)
        save_checkpoint(tmp_path / str(i), config, draw(config))
        table = json.loads((tmp_path / str(i) / "config.json").read_text())
        assert (table["model_type"], table["architectures"]) == kind, config
        assert table["activation_function"] == activation
        assert load_checkpoint(tmp_path / str(i)).config == config
