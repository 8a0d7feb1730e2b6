"""The files of a checkpoint, one by one, and the hashes that hold them together.

The metadata of model.safetensors carries `files`, a JSON object with the SHA-256 of every other
file that the checkpoint was saved with, and `sha256`, the hash of the weights and all metadata.
optimizer.safetensors has its own `sha256`, which also represents it in `files`.

Everything here raises `CheckpointError`.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shared.checkpoints import gpt2_format
from shared.checkpoints import tensors as tensor_files
from shared.checkpoints.tensors import Header, Shapes
from shared.checkpoints.untrusted import parse_object, read_bytes, refuse, show
from shared.config import GPTConfig
from shared.layout import tensor_shapes
from shared.text.tokenizers import Tokenizer

CONFIG = "config.json"
MODEL = "model.safetensors"
TOKENIZER = "tokenizer.json"
TRAINING = "training.json"
OPTIMIZER = "optimizer.safetensors"
TOKENIZER_CONFIG, GENERATION_CONFIG = "tokenizer_config.json", "generation_config.json"
FOR_TRANSFORMERS = (TOKENIZER_CONFIG, GENERATION_CONFIG)
"""The second is no longer written, but older checkpoints have it."""
FILES = frozenset((CONFIG, MODEL, TOKENIZER, TRAINING, OPTIMIZER, *FOR_TRANSFORMERS))
INDEX = "model.safetensors.index.json"
"""The index of weights that another program has split into several files."""
WEIGHTS = (MODEL, INDEX, "pytorch_model.bin", "pytorch_model.bin.index.json")
"""A directory with one of these holds a model, whether or not it can be read."""

Hashes = Mapping[str, Any]

FORMAT_VERSION = 1
JSON_LIMIT = 64 * 1024
TOKENIZER_LIMIT = 8 * 1024 * 1024
"""GPT-2's takes 1.4 to 3.6 MB. For a malicious file, the library may need fifty times its size in
memory, which this limit bounds."""


def encode_config(config: GPTConfig, dtype: str, tokenizer: Tokenizer | None = None) -> bytes:
    """config.json, the only place that says which tokens begin and end a text."""
    table = gpt2_format.config_to_json(config)
    if tokenizer is not None:
        ends = sorted(tokenizer.end_of_text)
        table["bos_token_id"] = tokenizer.begin_of_text
        table["eos_token_id"] = ends[0] if len(ends) == 1 else ends or None
    table |= {"dtype": dtype, "format_version": FORMAT_VERSION}
    return (json.dumps(table, indent=2) + "\n").encode()


def encode_tokenizer_config(config: GPTConfig, tokenizer: Tokenizer) -> bytes:
    """tokenizer_config.json, only for Transformers, which otherwise takes every GPT-2's tokenizer
    for BPE and adds an <|endoftext|> that the model has no embedding for."""
    special, begin = tokenizer.special_tokens, tokenizer.begin_of_text
    ends = [special[i] for i in sorted(tokenizer.end_of_text) if i in special]
    table = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.block_size,
        "bos_token": None if begin is None else special.get(begin),
        "eos_token": ends[0] if ends else None,
    }
    return (json.dumps(table, indent=2) + "\n").encode()


def read_ends(
    directory: Path, table: Mapping[str, Any], config: GPTConfig
) -> tuple[int | None, frozenset[int]]:
    """The token that begins a text, and those that end one: from generation_config.json, or from
    `table`, that of config.json."""
    both = [table]
    if exists(directory, GENERATION_CONFIG):
        content = read_bytes(directory, GENERATION_CONFIG, JSON_LIMIT)
        both.insert(0, parse_object(directory / GENERATION_CONFIG, content))

    def read(key: str) -> list[int]:
        found = next((t[key] for t in both if t.get(key) is not None), None)
        tokens = found if isinstance(found, list) else [found]
        return [t for t in tokens if type(t) is int and 0 <= t < config.vocab_size]

    return next(iter(read("bos_token_id")), None), frozenset(read("eos_token_id"))


def file_hash(content: bytes) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def encode_model(weights: Mapping[str, np.ndarray], hashes: Mapping[str, str]) -> bytes:
    """model.safetensors, with the hashes of the other files in its metadata."""
    metadata = {
        "format": "pt",  # required by Hugging Face's from_pretrained
        "files": json.dumps(dict(hashes), sort_keys=True),
    }
    return tensor_files.encode(weights, tensor_files.signed(weights, metadata))


def check_version(file: Path, table: Mapping[str, Any]) -> None:
    """Refuse a config.json of ours in a format version that cannot be read here."""
    version = table.get("format_version", FORMAT_VERSION)
    if type(version) is not int or version < 1:
        refuse(file, f"format_version: expected {FORMAT_VERSION}, found {show(version)}")
    if version > FORMAT_VERSION:
        refuse(
            file,
            f"written by a newer version of this project: expected format_version "
            f"{FORMAT_VERSION}, found {version}",
        )


def has_hashes(header: Header) -> bool:
    """Whether a model file is one of ours, whatever its config.json says. If one of our keys is
    damaged, the other still shows it; what other programs write there does not matter."""
    return not header.metadata.keys().isdisjoint(("files", "sha256"))


def stored_hashes(file: Path, header: Header) -> dict[str, Any]:
    """The hashes of the other files (at least config.json) by name, from the model's header."""
    hashes = parse_object(file, header.metadata.get("files", "{}").encode("utf-8", "replace"))
    if CONFIG not in hashes or not hashes.keys() <= FILES - {MODEL}:
        refuse(file, f"the hashes in its header are of the wrong files: {show(sorted(hashes))}")
    return hashes


def check_hash(file: Path, found: str, expected: object) -> None:
    """Compare the hash of a file as read with the one from `stored_hashes`."""
    if found != expected:
        refuse(
            file,
            f"not what {MODEL} was saved with: expected sha256 {show(expected)}, "
            f"found {show(found)}",
        )


def check_dtype(file: Path, dtype: object) -> str:
    """The `dtype` of a config.json, if it is one of the two."""
    if not isinstance(dtype, str) or dtype not in tensor_files.CODES:
        refuse(file, f"dtype: expected float32 or float64, found {show(dtype)}")
    return dtype


def exists(directory: Path, name: str) -> bool:
    """Whether there is anything of this name, even a symbolic link to nothing."""
    return os.path.lexists(directory / name)


def read_part(directory: Path, name: str, limit: int, hashes: Hashes) -> bytes:
    """The content of a file, if it has the hash that it was saved with."""
    content = read_bytes(directory, name, limit)
    check_hash(directory / name, file_hash(content), hashes[name])
    return content


def read_weights(file: Path, header: Header, shapes: Shapes, dtype: str) -> dict[str, np.ndarray]:
    """The weights of one of our checkpoints."""
    tensor_files.check_manifest(file, header.tensors, shapes, dtype)
    weights = tensor_files.read_arrays(file, shapes)
    tensor_files.check_content(file, header, weights)
    return weights


def join_moments(moments: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """{"m": {name: …}} as {"m.name": …}: the tensors of optimizer.safetensors."""
    return {f"{kind}.{name}": array for kind in moments for name, array in moments[kind].items()}


def moment_shapes(kinds: tuple[str, ...], shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The manifest of optimizer.safetensors: every moment has the shape of its weight."""
    return {f"{kind}.{name}": shape for kind in kinds for name, shape in shapes.items()}


def read_moments(
    directory: Path, kinds: tuple[str, ...], config: GPTConfig, dtype: str, hashes: Hashes
) -> dict[str, dict[str, np.ndarray]]:
    """The optimizer's state, {kind: {name: array}}; {} for an optimizer that has none."""
    file = directory / OPTIMIZER
    header = tensor_files.read_header(directory, OPTIMIZER, config.n_layer, empty=not kinds)
    shapes = tensor_shapes(config)
    expected = moment_shapes(kinds, shapes)
    tensor_files.check_manifest(file, header.tensors, expected, dtype)
    arrays = tensor_files.read_arrays(file, expected)
    tensor_files.check_content(file, header, arrays)
    check_hash(file, header.metadata["sha256"], hashes[OPTIMIZER])
    return {kind: {name: arrays[f"{kind}.{name}"] for name in shapes} for kind in kinds}
