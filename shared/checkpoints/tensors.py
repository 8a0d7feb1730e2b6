"""Read and write safetensors files that are exactly what is expected, or say what differs.

The library does the reading and writing. What it does not notice is checked here: arrays that are
not C-contiguous (it writes their memory, not their values), flipped bits, NaN, missing or extra
tensors, duplicate keys in a header.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from shared.checkpoints.untrusted import parse_object, reason, refuse, regular_file, show
from shared.memory import GIB, physical_memory

Shapes = Mapping[str, tuple[int, ...]]
Tensors = Mapping[str, np.ndarray]

CODES = {"float32": "F32", "float64": "F64"}
"""The dtypes that weights can have: NumPy's name, and the format's."""

HALVES = {"F16": "float16", "BF16": "bfloat16"}
"""Dtypes in other programs' files that are read as float32, which holds all their values."""

# How long a header may be for each block of a model: at least six tensors of 50 characters, at most
# 32 (twelve weights, their two moments, GPT-2's mask buffers) of 512.
_LEAST_PER_BLOCK, _MOST_PER_BLOCK, _MOST_BESIDES = 300, 32 * 512, 8192


@dataclass(frozen=True)
class TensorSpec:
    """What a header says about one tensor: the format's name of its dtype, and its shape."""

    dtype: str
    shape: tuple[int, ...]
    start: int = field(default=0, compare=False)
    """Its offset in the file."""

    def widened(self) -> "TensorSpec":
        """The same after reading: half precision becomes float32."""
        return replace(self, dtype="F32") if self.dtype in HALVES else self

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join(map(str, self.shape))}]"


Specs = Mapping[str, TensorSpec]


@dataclass(frozen=True)
class Header:
    """The first part of a safetensors file."""

    tensors: dict[str, TensorSpec]
    metadata: dict[str, str]


def signed(tensors: Tensors, metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata with the content hash of tensors and metadata added, under `sha256`."""
    return {**metadata, "sha256": _content_hash(tensors, metadata)}


def check_content(file: Path, header: Header, tensors: Tensors) -> None:
    """Compare what was read with the hash that `signed` added. Raises `CheckpointError`."""
    metadata = dict(header.metadata)
    expected = metadata.pop("sha256", None)
    found = _content_hash(tensors, metadata)
    if found != expected:
        refuse(file, f"not what was saved: expected sha256 {show(expected)}, found {show(found)}")


def encode(tensors: Tensors, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file; the same tensors and metadata give the same bytes."""
    data = save({name: _plain(array) for name, array in tensors.items()}, metadata=dict(metadata))
    # The library writes the metadata in an order that changes from call to call.
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(metadata.items()))
    ordered = json.dumps(header, separators=(",", ":")).encode().ljust(end - 8)
    return b"".join([data[:8], ordered, memoryview(data)[end:]])


def check_arrays(file: Path, tensors: Tensors, shapes: Shapes, dtype: str) -> None:
    """Refuse to write what `read_header`, `check_manifest` and `read_arrays` would not read."""
    specs = {
        name: TensorSpec(CODES.get(array.dtype.name, array.dtype.name), array.shape)
        for name, array in tensors.items()
    }
    check_manifest(file, specs, shapes, dtype)
    for name, array in tensors.items():
        _check_finite(file, name, array)


def check_manifest(file: Path, tensors: Specs, shapes: Shapes, dtype: str) -> None:
    """Compare a file's tensors with those expected: exactly these names and shapes, and this dtype.

    Raises `CheckpointError`, which names the first tensor that is missing, extra or different.
    """
    expected = {name: TensorSpec(CODES[dtype], shape) for name, shape in shapes.items()}
    for name in expected:
        if name not in tensors:
            refuse(file, f"tensor {name} is missing; expected {expected[name]}")
    for name, found in tensors.items():
        if name not in expected:
            refuse(file, f"tensor {show(name)}, {found}, is no part of this model")
        if found != expected[name]:
            refuse(file, f"tensor {name}: expected {expected[name]}, found {found}")


def read_header(directory: Path, name: str, n_layer: int, *, empty: bool = False) -> Header:
    """Read and check the header of a file; nothing larger than a header is allocated.

    Args:
        directory: the checkpoint.
        name: the file in it.
        n_layer: blocks of the model. A header cannot be much shorter or longer than they need, so
            an absurd configuration is noticed before its tensors are counted.
        empty: whether the file may hold no tensors.

    Raises:
        CheckpointError: truncated, too long, not a safetensors header, or of an absurd size.
    """
    file = regular_file(directory, name)
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or length > size - 8:
                refuse(file, f"truncated: {size} bytes, which end inside the header")
            if length > _MOST_BESIDES + n_layer * _MOST_PER_BLOCK:
                refuse(file, f"a header of {length} bytes is absurd for n_layer {n_layer}")
            if not empty and length < n_layer * _LEAST_PER_BLOCK:
                refuse(file, f"a header of {length} bytes cannot hold n_layer {n_layer}")
            table = parse_object(file, stream.read(length))
    except OSError as error:
        refuse(file, f"cannot be read: {reason(error)}")
    metadata = _metadata(file, table.pop("__metadata__", {}))
    entries = {key: _entry(file, key, entry, 8 + length) for key, entry in table.items()}
    expected = 8 + length + max((end for _, end in entries.values()), default=0)
    if size != expected:
        what = "truncated" if size < expected else "too long"
        refuse(file, f"{what}: expected {expected} bytes, found {size}")
    memory = physical_memory()
    if memory is not None and size > memory:  # a sparse file may claim any size
        refuse(file, f"{size / GIB:,.0f} GiB of tensors; this machine has {memory / GIB:,.0f} GiB")
    return Header({key: spec for key, (spec, _) in entries.items()}, metadata)


def read_arrays(
    file: Path, names: Iterable[str], halves: Specs | None = None
) -> dict[str, np.ndarray]:
    """Read the tensors of these names, whose header has been checked; every value must be finite.

    Those in `halves` are widened to float32. Raises `CheckpointError`.
    """
    tensors = {}
    try:
        # pread reads an array straight into its place, so the file is in memory only once; and a
        # file that shrinks meanwhile raises an exception instead of a bus error.
        with safe_open(file, framework="np", backend="pread") as stored:
            for name in names:
                half = (halves or {}).get(name)
                tensors[name] = _widen(file, half) if half else stored.get_tensor(name)
                _check_finite(file, name, tensors[name])
    except (SafetensorError, OSError) as error:
        refuse(file, f"cannot be read: {reason(error)}")
    return tensors


def _widen(file: Path, spec: TensorSpec) -> np.ndarray:
    """A tensor in half precision as float32: NumPy has no bfloat16, which is its upper half."""
    half = np.dtype("<f2" if spec.dtype == "F16" else "<u2")
    array = np.fromfile(file, half, count=math.prod(spec.shape), offset=spec.start)
    if array.size != math.prod(spec.shape):
        refuse(file, "truncated while it was read")
    if spec.dtype == "F16":
        return array.reshape(spec.shape).astype(np.float32)
    return (array.astype(np.uint32) << 16).view(np.float32).reshape(spec.shape)


def _content_hash(tensors: Tensors, metadata: Mapping[str, str]) -> str:
    """SHA-256, in hexadecimal, of the metadata and each tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        array = _plain(tensors[name])
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.data)
    return digest.hexdigest()


def _plain(array: np.ndarray) -> np.ndarray:
    """The same values in the file's layout: row by row without gaps, little-endian."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _check_finite(file: Path, name: str, array: np.ndarray) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        where = np.unravel_index(np.argmin(finite), array.shape)
        place = ", ".join(str(i) for i in where)
        refuse(file, f"tensor {name}: expected finite values, found {array[where]} at [{place}]")


def _metadata(file: Path, table: object) -> dict[str, str]:
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        refuse(file, f"the header's metadata must map strings to strings, found {show(table)}")
    return table


def _entry(file: Path, name: str, entry: object, data: int) -> tuple[TensorSpec, int]:
    """One tensor's entry in the header, and where its bytes end. The library checks the rest."""
    match entry:
        case {
            "dtype": str(dtype),
            "shape": [*shape],
            "data_offsets": [int(start), int(end)],
            **others,
        } if not others and all(type(size) is int for size in shape):
            plain = re.fullmatch(r"\w{1,9}", dtype, re.ASCII)  # it is shown in messages
            return TensorSpec(dtype if plain else show(dtype), tuple(shape), data + start), end
    refuse(file, f"tensor {show(name)}: expected dtype, shape, data_offsets, found {show(entry)}")
