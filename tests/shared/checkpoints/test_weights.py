"""Checkpoints: what is saved is what is loaded, and only what can be loaded is saved."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audits.reliability.samples import (
    CHAR,
    CONFIG,
    TEXT,
    TIED,
    hub_tensors,
    random_tensors,
    record,
    same_tensors,
    write_hub,
)
from shared.checkpoints import gpt2_format
from shared.checkpoints.checkpoint import (
    load_checkpoint,
    save_checkpoint,
)
from shared.checkpoints.untrusted import parse_object
from shared.config import GPTConfig
from shared.errors import CheckpointError
from shared.text.tokenizers import build_tokenizer
from tests.checkpoint_samples import WQ, refused

# What is saved is what is loaded


configs = st.builds(
    lambda heads, size, **options: GPTConfig(n_head=heads, n_embd=2 * heads * size, **options),
    heads=st.integers(1, 9),
    size=st.integers(1, 99),
    vocab_size=st.integers(1, 10**6),
    block_size=st.integers(1, 10**6),
    n_layer=st.integers(1, 10**6),
    n_inner=st.none() | st.integers(1, 10**6),
    activation=st.sampled_from(["gelu_tanh", "gelu_erf", "relu"]),
    norm=st.sampled_from(["pre", "post"]),
    position=st.sampled_from(["learned", "sinusoidal"]),
    bias=st.booleans(),
    tie_weights=st.booleans(),
    layer_norm_epsilon=st.floats(0, 1, exclude_min=True),
)


@given(configs)
@settings(deadline=None, max_examples=200)
def test_config_json_expresses_every_configuration(config):
    text = json.dumps(gpt2_format.config_to_json(config)).encode()
    table = parse_object(Path("config.json"), text)
    assert gpt2_format.config_from_json(Path("config.json"), table) == config


# What must not be saved


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    good = random_tensors(CONFIG)
    moments = {"m": good, "v": good}
    nan = good | {WQ: good[WQ] * np.float32("nan")}
    adamw = {"training": record(), "moments": moments}
    short = {name: array for name, array in good.items() if name != WQ}
    cases = [
        ("is missing; expected F32 [4, 12]", short, {}),
        ("'lm_tail.weight', F32 [1], is no part", good | {"lm_tail.weight": np.ones(1, "f")}, {}),
        ("expected F32 [4, 12], found F32 [12, 4]", good | {WQ: good[WQ].T}, {}),
        ("expected F32 [4, 12], found F64 [4, 12]", good | {WQ: good[WQ].astype("d")}, {}),
        ("expected finite values, found nan at [0, 0]", nan, {}),
        ("expected float32 or float64, found float16", {WQ: good[WQ].astype("float16")}, {}),
        ("expected float32 or float64, found none", {}, {}),
        (
            "tensor m.transformer.wte.weight is missing",
            good,
            adamw | {"moments": {"m": {}, "v": {}}},
        ),
        ("tensor v." + WQ, good, adamw | {"moments": {"m": good, "v": nan}}),
        ("expected ['m', 'v'], found ['m']", good, adamw | {"moments": {"m": good}}),
        ("moments, but no training.json", good, {"moments": moments}),
        ("dtype: expected 'float32', found 'float64'", good, {"training": record("float64")}),
        ("vocab_size: expected", good, {"tokenizer": build_tokenizer("byte", TEXT)}),
        ("found 'bpe'", good, {"tokenizer": CHAR, "training": record(tokenizer="bpe")}),
    ]
    for fragment, weights, parts in cases:
        with pytest.raises(CheckpointError, match=re.escape(fragment)):
            save_checkpoint(tmp_path / "c", CONFIG, weights, **parts)
        assert list(tmp_path.iterdir()) == []


# GPT-2's files from the hub


@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_directory_from_the_hub(tmp_path, prefix, metadata):
    loaded = load_checkpoint(write_hub(tmp_path / "hub", hub_tensors(prefix), metadata))
    assert loaded.config == TIED
    assert loaded.dtype == "float32"
    assert same_tensors(loaded.weights, random_tensors(TIED))
    assert (loaded.tokenizer, loaded.training, loaded.moments) == (None, None, None)


def test_hub_a_tied_lm_head_may_be_stored_twice(tmp_path):
    tensors = hub_tensors()
    wte = tensors["wte.weight"]
    hub = write_hub(tmp_path / "hub", tensors | {"lm_head.weight": wte.copy()})
    assert same_tensors(load_checkpoint(hub).weights, random_tensors(TIED))
    write_hub(hub, tensors | {"lm_head.weight": wte + 1})
    refused(hub, "lm_head.weight", "expected that of wte")
    write_hub(hub, tensors | {"lm_head.weight": wte + 1}, tie_word_embeddings=False)
    assert load_checkpoint(hub).config == CONFIG
    write_hub(hub, tensors, tie_word_embeddings=False)
    refused(hub, "tensor lm_head.weight is missing")


def test_hub_only_masks_are_dropped(tmp_path):
    tensors = hub_tensors()
    hub = tmp_path / "hub"
    write_hub(hub, {k: v for k, v in tensors.items() if k != "h.0.attn.c_attn.bias"})
    refused(hub, "tensor transformer.h.0.attn.c_attn.bias is missing")
    write_hub(hub, tensors | {"h.0.attn.bias": np.ones((1, 1, 7, 7), np.float32)})
    refused(hub, "h.0.attn.bias", "(1, 1, 6, 6)", "(1, 1, 7, 7)")
    write_hub(hub, tensors | {"score.weight": np.ones((2, 4), np.float32)})
    refused(hub, "score.weight", "no part of this model")
    write_hub(hub, tensors | {"transformer.wte.weight": tensors["wte.weight"]})
    refused(hub, "wte.weight' is there twice")
    booleans = {k: v.astype(bool) if ".attn.bias" in k else v for k, v in tensors.items()}
    assert same_tensors(load_checkpoint(write_hub(hub, booleans)).weights, random_tensors(TIED))


def test_hub_a_tokenizer_must_fit(tmp_path):
    hub = write_hub(tmp_path / "hub")
    (hub / "tokenizer.json").write_text(CHAR.to_json())
    assert load_checkpoint(hub).tokenizer.vocab_size == CONFIG.vocab_size
    (hub / "tokenizer.json").write_text(build_tokenizer("byte", TEXT).to_json())
    refused(hub, f"tokenizer.json: vocab_size: expected {CONFIG.vocab_size}, found 256")
    (hub / "tokenizer.json").write_text("{}")
    refused(hub, "tokenizer.json")
    (hub / "tokenizer.json").write_text(
        json.dumps(json.loads(CHAR.to_json()) | {"version": "\x1b"})
    )
    refused(hub, "tokenizer.json", r"\x1b")


def test_hub_a_token_of_an_absurd_id(tmp_path):
    hub = write_hub(tmp_path / "hub")
    table = json.loads(CHAR.to_json())
    table["model"]["vocab"]["a"] = 2**31  # the library would make room for all below
    (hub / "tokenizer.json").write_text(json.dumps(table))
    refused(hub, "ids of this tokenizer", "without gaps")


def test_hub_a_tokenizer_on_which_the_library_panics(tmp_path):
    hub = write_hub(tmp_path / "hub")
    table = json.loads(build_tokenizer("bpe", TEXT * 3, 270).to_json())
    table["model"]["continuing_subword_prefix"] = "x" * 99
    (hub / "tokenizer.json").write_text(json.dumps(table))
    refused(hub, "tokenizer.json")
