"""GPT-2's files as on the hub, and the newest checkpoint of a run."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from conformance.cases import BASE
from conformance.shared.test_shared_checkpoints import TOKENIZER, Tensors, draw
from conformance.shared.test_shared_damage import BYTE, MODEL, ONE
from conformance.truths.by_definition import same_tensors
from shared.checkpoints.checkpoint import (
    checkpoint_path,
    clean_leftovers,
    load_checkpoint,
    newest_checkpoint,
)
from shared.checkpoints.directories import REPLACED
from shared.errors import CheckpointError

pytestmark = pytest.mark.fault_in("shared/checkpoints/")

TIED = replace(BASE, tie_weights=True)


def hub(path: Path, tensors: Tensors, metadata: Any = None, **changes: object) -> Path:
    """As on the hub: sizes only, without the settings that all GPT-2 models share."""
    sizes = {"vocab_size": 37, "n_positions": 11, "n_layer": 2, "n_head": 4, "n_embd": 24}
    path.mkdir()
    (path / "config.json").write_text(json.dumps(sizes | {"n_inner": 40} | changes))
    save_file(tensors, path / MODEL, metadata=metadata)
    return path


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_gpt2_from_the_hub(tmp_path: Path, prefix: str) -> None:
    """Tied, tanh GELU, ε 1e-5 by default; masks and a second copy are dropped."""
    weights = draw(TIED)
    stored = {name.replace("transformer.", prefix): value for name, value in weights.items()}
    stored[f"{prefix}h.0.attn.bias"] = np.tril(np.ones((1, 1, 11, 11), bool))
    stored[f"{prefix}h.1.attn.bias"] = np.tril(np.ones((1, 1, 11, 11), np.float32))
    stored[f"{prefix}h.1.attn.masked_bias"] = np.array(-1e4, np.float32)
    loaded = load_checkpoint(hub(tmp_path / "plain", stored, {"format": "pt"} if prefix else None))
    assert (loaded.config, loaded.dtype) == (TIED, "float32")
    assert (loaded.tokenizer, loaded.training, loaded.moments) == (None, None, None)
    same_tensors(loaded.weights, weights)
    double = {name: value.astype(np.float64) for name, value in weights.items()}
    same_tensors(load_checkpoint(hub(tmp_path / "double", double)).weights, double)
    twice = stored | {"lm_head.weight": weights["transformer.wte.weight"].copy()}
    same_tensors(load_checkpoint(hub(tmp_path / "twice", twice)).weights, weights)
    untied = stored | {"lm_head.weight": draw(BASE)["lm_head.weight"]}
    loaded = load_checkpoint(hub(tmp_path / "untied", untied, tie_word_embeddings=False))
    assert loaded.config == BASE
    same_tensors(loaded.weights, draw(BASE))
    file = tmp_path / "plain" / "tokenizer.json"
    file.write_text(TOKENIZER.to_json())
    assert load_checkpoint(tmp_path / "plain").tokenizer.to_json() == TOKENIZER.to_json()
    for text, message in ((BYTE.to_json(), "vocab_size: expected 37, found 256"), ("{}", "json: ")):
        file.write_text(text)
        with pytest.raises(CheckpointError, match=f"{file}: .*{message}"):
            load_checkpoint(tmp_path / "plain")
    mask = {f"{prefix}h.0.attn.bias": np.ones((1, 1, 9, 9), np.float32)}
    doubly = weights | {"wte.weight": weights["transformer.wte.weight"]}
    for message, tensors, changes in (
        ("lm_head.weight: expected that of wte", untied, {}),
        ("lm_head.weight is missing", stored, {"tie_word_embeddings": False}),
        ("c_fc.bias is missing", {n: v for n, v in stored.items() if "c_fc.bias" not in n}, {}),
        ("'transformer.score.w', F32 [1], is no part", stored | {f"{prefix}score.w": ONE}, {}),
        ("expected shape (1, 1, 11, 11), found (1, 1, 9, 9)", stored | mask, {}),
        ("'transformer.wte.weight' is there twice", doubly, {}),
        ("found F16", {n: v.astype(np.float16) for n, v in weights.items()}, {}),
    ):
        with pytest.raises(CheckpointError, match=re.escape(message)):
            load_checkpoint(hub(tmp_path / message, tensors, **changes))


# Which checkpoint


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
    (checkpoints / ".2000000.tmp-2-ab").symlink_to(checkpoints / "latest")
    aside = checkpoints / ".3000000.old-1-ab"
    aside.mkdir()
    assert newest_checkpoint(tmp_path) == aside, "a save broke off between its two renames"
    clean_leftovers(checkpoints)
    assert newest_checkpoint(tmp_path) == checkpoints / "3000000"
    hidden = [entry.name for entry in checkpoints.iterdir() if entry.name.startswith(".")]
    assert hidden == [".2000000.tmp-2-ab"], "a link is not ours"
    assert (checkpoints / "latest").is_dir()
    clean_leftovers(tmp_path / "nothing")
