"""Hugging Face's GPT-2: the keys of its config.json and the names in its model.safetensors.

Our own checkpoints use them too. What GPT-2 cannot express is stored under keys of our own (`norm`,
`position`, `bias`), with a `model_type` that no other program mistakes for GPT-2.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from shared.checkpoints.tensors import Specs
from shared.checkpoints.untrusted import refuse, show
from shared.config import GPTConfig
from shared.errors import ConfigError

_ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu_erf": "gelu", "relu": "relu"}
_SAME = {"gelu_pytorch_tanh": "gelu_new", "gelu_fast": "gelu_new"}  # the same function

_KEYS = {
    "block_size": "n_positions",
    "activation": "activation_function",
    "tie_weights": "tie_word_embeddings",
}
"""GPT-2's keys by our names, where these differ; messages use the key in the file."""

# GPT-2 has switches for variants of attention. Our model is the one with these settings.
_FIXED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
}

# Old files store the causal mask, a constant, like a weight. (`attn.c_attn.bias` is a weight.)
_MASK = re.compile(r"(transformer\.)?h\.[0-9]+\.attn\.(bias|masked_bias)")


def is_gpt2(config: GPTConfig) -> bool:
    """Whether GPT-2's own code can compute this model."""
    return config.norm == "pre" and config.position == "learned" and config.bias


def config_to_json(config: GPTConfig) -> dict[str, Any]:
    """GPT-2's keys, and ours, for a configuration."""
    gpt2 = is_gpt2(config)
    return {
        "model_type": "gpt2" if gpt2 else "minigpt",
        "architectures": ["GPT2LMHeadModel" if gpt2 else "MiniGPT"],
        **{_KEYS.get(name, name): value for name, value in vars(config).items()},
        "activation_function": _ACTIVATIONS[config.activation],
        "n_ctx": config.block_size,
        **dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), config.dropout),
        "bos_token_id": None,
        "eos_token_id": None,
        **_FIXED,
    }


def config_from_json(file: Path, table: Mapping[str, Any]) -> GPTConfig:
    """The configuration that a config.json describes, ours or one from the Hub.

    Sizes are required; everything else defaults to GPT-2's values. GPT-2's own dropout, which
    matters only in training, and keys that do not affect the function are ignored. Raises
    `CheckpointError` for another kind of model, an unsupported variant, or impossible values."""
    kind = table.get("model_type", "gpt2")
    if kind not in ("gpt2", "minigpt"):
        refuse(file, f"model_type: expected 'gpt2', found {show(kind)}")
    for key, value in _FIXED.items():
        if table.get(key, value) is not value:
            refuse(
                file, f"{key}: only {str(value).lower()} can be loaded, found {show(table[key])}"
            )
    for key in ("vocab_size", "n_positions", "n_layer", "n_head", "n_embd"):
        if key not in table:
            refuse(file, f"the key {key} is missing")
    values: dict[str, Any] = {"tie_weights": True}
    for field in fields(GPTConfig):
        if (key := _KEYS.get(field.name, field.name)) in table:
            values[field.name] = table[key]
    values["activation"] = _activation(file, table.get("activation_function", "gelu_new"))
    try:
        return GPTConfig(**values)
    except ConfigError as error:
        refuse(file, re.sub(r"\w+", lambda word: _KEYS.get(word[0], word[0]), str(error)))


def canonical_names(file: Path, tensors: Specs, config: GPTConfig) -> dict[str, str]:
    """The tensors of a file from the Hub: canonical name → name in the file, without mask buffers.

    Files written from `GPT2Model` lack the prefix "transformer." that `GPT2LMHeadModel`'s have.

    Raises `CheckpointError` for a name that occurs in both forms, or a malformed mask.
    """
    names: dict[str, str] = {}
    for name, spec in tensors.items():
        if mask := _MASK.fullmatch(name):
            n = config.block_size
            expected = (1, 1, n, n) if mask[2] == "bias" else ()
            if spec.shape != expected:
                refuse(file, f"mask {name}: expected shape {expected}, found {spec.shape}")
            continue
        prefixed = name.startswith(("transformer.", "lm_head."))
        canonical = name if prefixed else f"transformer.{name}"
        if canonical in names:
            refuse(file, f"tensor {show(name)} is there twice, with and without its prefix")
        names[canonical] = name
    return names


def _activation(file: Path, name: object) -> Any:
    for ours, theirs in _ACTIVATIONS.items():
        if isinstance(name, str) and _SAME.get(name, name) == theirs:
            return ours
    known = ", ".join([*_ACTIVATIONS.values(), *_SAME])
    refuse(file, f"activation_function: expected one of {known}, found {show(name)}")
