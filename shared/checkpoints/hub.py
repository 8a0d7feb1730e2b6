"""A directory of GPT-2's as others write it: on the hub, or by `save_pretrained`.

The weights are in model.safetensors, or in several files that model.safetensors.index.json lists;
in float64, float32, float16 or bfloat16; with or without "transformer." in their names. The
tokenizer is a tokenizer.json, or GPT-2's own vocab.json and merges.txt. There are no hashes: the
manifest alone says whether all is there.

Everything here raises `CheckpointError`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import models

from shared.checkpoints import gpt2_format, parts
from shared.checkpoints import tensors as tensor_files
from shared.checkpoints.tensors import HALVES, Header, TensorSpec
from shared.checkpoints.untrusted import decode, parse_object, read_bytes, refuse, show
from shared.config import GPTConfig
from shared.errors import TokenizerError
from shared.layout import tensor_shapes
from shared.text.tokenizers import Tokenizer, byte_level

INDEX = "model.safetensors.index.json"
VOCABULARY, MERGES = "vocab.json", "merges.txt"
INDEX_LIMIT = 16 * 1024 * 1024
MOST_FILES = 1000

EMBEDDING, HEAD = "transformer.wte.weight", "lm_head.weight"


@dataclass(frozen=True)
class Stored:
    """A tensor, and the file that it is in."""

    file: Path
    name: str
    spec: TensorSpec


def read_headers(directory: Path, n_layer: int) -> dict[Path, Header]:
    """The headers of the files that hold the weights, one or several."""
    if parts.exists(directory, parts.MODEL) or not parts.exists(directory, INDEX):
        header = tensor_files.read_header(directory, parts.MODEL, n_layer)
        return {directory / parts.MODEL: header}
    file = directory / INDEX
    places = parse_object(file, read_bytes(directory, INDEX, INDEX_LIMIT)).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        refuse(file, f"weight_map: expected the file of each tensor, found {show(places)}")
    names = sorted(set(places.values()))
    if not 0 < len(names) <= MOST_FILES or any(Path(name).name != name for name in names):
        refuse(file, f"weight_map: expected 1 to {MOST_FILES} files beside it, found {show(names)}")
    return {
        directory / name: tensor_files.read_header(directory, name, n_layer, empty=True)
        for name in names
    }


def read_weights(
    directory: Path, headers: Mapping[Path, Header], config: GPTConfig
) -> tuple[dict[str, np.ndarray], str]:
    """The weights under their canonical names, in float32 or float64, and the type they had."""
    stored = dict(_stored(headers, config))
    shapes = tensor_shapes(config)
    has_copy = config.tie_weights and HEAD in stored  # one matrix, stored twice
    if has_copy:
        shapes = {**shapes, HEAD: shapes[EMBEDDING]}
    kind = stored[EMBEDDING].spec.dtype if EMBEDDING in stored else "F32"
    dtype = "float64" if kind == tensor_files.CODES["float64"] else "float32"
    specs = {name: tensor.spec.widened() for name, tensor in stored.items()}
    file = next(iter(headers)) if len(headers) == 1 else directory / INDEX
    tensor_files.check_manifest(file, specs, shapes, dtype)
    weights: dict[str, np.ndarray] = {}
    for path in headers:
        own = {name: tensor for name, tensor in stored.items() if tensor.file == path}
        halves = {t.name: t.spec for t in own.values() if t.spec.dtype in HALVES}
        arrays = tensor_files.read_arrays(path, [t.name for t in own.values()], halves)
        weights |= {name: arrays[tensor.name] for name, tensor in own.items()}
    weights = {name: weights[name] for name in shapes}
    if has_copy and not np.array_equal(weights.pop(HEAD), weights[EMBEDDING]):
        refuse(file, f"tensor {HEAD}: expected that of wte, to which {parts.CONFIG} ties it")
    return weights, HALVES.get(kind, dtype)


def _stored(headers: Mapping[Path, Header], config: GPTConfig) -> Iterator[tuple[str, Stored]]:
    """The tensors of all files by canonical name."""
    seen: set[str] = set()
    for file, header in headers.items():
        names = gpt2_format.canonical_names(file, header.tensors, config)
        for canonical, name in names.items():
            if canonical in seen:
                refuse(file, f"tensor {show(canonical)} is in another file, too")
            seen.add(canonical)
            yield canonical, Stored(file, name, header.tensors[name])


def read_tokenizer(directory: Path) -> Tokenizer | None:
    """That of tokenizer.json, or of GPT-2's vocab.json and merges.txt; None if it has neither."""

    def read(name: str) -> str:
        return decode(directory / name, read_bytes(directory, name, parts.TOKENIZER_LIMIT))

    name = parts.TOKENIZER
    try:
        if parts.exists(directory, name):
            return Tokenizer.from_json(read(name))
        name = MERGES
        if parts.exists(directory, VOCABULARY) and parts.exists(directory, MERGES):
            return _gpt2_tokenizer(read(VOCABULARY), read(MERGES))
    except TokenizerError as error:
        refuse(directory / name, error)
    return None


def _gpt2_tokenizer(vocabulary: str, merges: str) -> Tokenizer:
    """GPT-2's own files: a JSON object of ids, and pairs of tokens, one a line, the first first."""
    lines = [line for line in merges.splitlines() if line and not line.startswith("#version")]
    try:
        pairs = [(left, right) for left, right in (line.split(" ") for line in lines)]
        model = models.BPE(json.loads(vocabulary), pairs)
    except Exception as error:  # the library raises nothing more particular
        raise TokenizerError(f"not GPT-2's vocabulary and merges: {error}") from error
    return Tokenizer(byte_level(model))


def end_of_text(directory: Path, table: Mapping[str, Any], config: GPTConfig) -> frozenset[int]:
    """The tokens that end a text, by generation_config.json or `table`, that of config.json."""
    if parts.exists(directory, parts.GENERATION_CONFIG):
        content = read_bytes(directory, parts.GENERATION_CONFIG, parts.JSON_LIMIT)
        generation = parse_object(directory / parts.GENERATION_CONFIG, content)
        if generation.get("eos_token_id") is not None:
            table = generation
    found = table.get("eos_token_id")
    tokens = found if isinstance(found, list) else [found]
    return frozenset(t for t in tokens if type(t) is int and 0 <= t < config.vocab_size)
