"""A directory of GPT-2's as other programs write it: on the Hub, or by `save_pretrained`.

The weights are in model.safetensors, or in several files that model.safetensors.index.json lists;
in float64, float32, float16 or bfloat16; with or without "transformer." in their names. There are
no hashes: only the manifest shows whether anything is missing.

Everything here raises `CheckpointError`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.checkpoints import gpt2_format, parts
from shared.checkpoints import tensors as tensor_files
from shared.checkpoints.tensors import HALVES, Header, TensorSpec
from shared.checkpoints.untrusted import is_file_name, parse_object, read_bytes, refuse, show
from shared.config import GPTConfig
from shared.layout import tensor_shapes

INDEX_LIMIT = 16 * 1024 * 1024
MOST_FILES = 1000

EMBEDDING, HEAD = "transformer.wte.weight", "lm_head.weight"


@dataclass(frozen=True)
class Stored:
    """A tensor and the file that holds it."""

    file: Path
    name: str
    spec: TensorSpec


def read_headers(directory: Path, n_layer: int) -> dict[Path, Header]:
    """The headers of the files that hold the weights, one or several."""
    if parts.exists(directory, parts.MODEL) or not parts.exists(directory, parts.INDEX):
        header = tensor_files.read_header(directory, parts.MODEL, n_layer)
        return {directory / parts.MODEL: header}
    file = directory / parts.INDEX
    places = parse_object(file, read_bytes(directory, parts.INDEX, INDEX_LIMIT)).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        refuse(file, f"weight_map: expected the file of each tensor, found {show(places)}")
    names = sorted(set(places.values()))
    if not 0 < len(names) <= MOST_FILES:
        refuse(file, f"weight_map: expected 1 to {MOST_FILES} files, found {len(names):,}")
    if strange := [name for name in names if not is_file_name(name)]:
        refuse(file, f"weight_map: expected names of files beside it, found {show(strange[0])}")
    return {
        directory / name: tensor_files.read_header(directory, name, n_layer, empty=True)
        for name in names
    }


def read_weights(
    directory: Path, headers: Mapping[Path, Header], config: GPTConfig
) -> tuple[dict[str, np.ndarray], str]:
    """The weights under their canonical names, in float32 or float64, and the dtype they had."""
    stored = dict(_stored(headers, config))
    shapes = tensor_shapes(config)
    has_copy = config.tie_weights and HEAD in stored  # one matrix, stored twice
    if has_copy:
        shapes = {**shapes, HEAD: shapes[EMBEDDING]}
    kind = stored[EMBEDDING].spec.dtype if EMBEDDING in stored else "F32"
    dtype = "float64" if kind == tensor_files.CODES["float64"] else "float32"
    specs = {tensor.name: tensor.spec.widened() for tensor in stored.values()}
    file = next(iter(headers)) if len(headers) == 1 else directory / parts.INDEX
    # Messages use the names in the file, which its user knows.
    prefixed = any(name.startswith("transformer.") for name in specs)
    names = {n: n if prefixed else n.removeprefix("transformer.") for n in shapes}
    names |= {canonical: tensor.name for canonical, tensor in stored.items()}
    expected = {names[canonical]: shape for canonical, shape in shapes.items()}
    tensor_files.check_manifest(file, specs, expected, dtype)
    weights: dict[str, np.ndarray] = {}
    for path in headers:
        own = {name: tensor for name, tensor in stored.items() if tensor.file == path}
        halves = {t.name: t.spec for t in own.values() if t.spec.dtype in HALVES}
        arrays = tensor_files.read_arrays(path, [t.name for t in own.values()], halves)
        weights |= {name: arrays[tensor.name] for name, tensor in own.items()}
    weights = {name: weights[name] for name in shapes}
    if has_copy and not np.array_equal(weights.pop(HEAD), weights[EMBEDDING]):
        tie = f"tie_word_embeddings in {parts.CONFIG}"
        refuse(file, f"tensor {HEAD}: expected the same values as wte.weight, as {tie} says")
    return weights, HALVES.get(kind, dtype)


def _stored(headers: Mapping[Path, Header], config: GPTConfig) -> Iterator[tuple[str, Stored]]:
    """The tensors of all files by canonical name."""
    seen: set[str] = set()
    for file, header in headers.items():
        names = gpt2_format.canonical_names(file, header.tensors, config)
        for canonical, name in names.items():
            if canonical in seen:
                refuse(file, f"tensor {show(name)} is in another file, too")
            seen.add(canonical)
            yield canonical, Stored(file, name, header.tensors[name])
