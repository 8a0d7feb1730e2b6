"""Weights by their canonical names, and the directory that holds them on disk.

    config.json            GPT-2's keys and ours; `dtype`; `format_version`
    model.safetensors      the weights, under GPT-2's names
    tokenizer.json         of the `tokenizers` library
    tokenizer_config.json  for Transformers, if GPT-2 can express the model
    training.json          step, seed, dataset, TrainConfig, versions
    optimizer.safetensors  the moments, as "m.NAME" and "v.NAME"; only resuming needs them

Hashes in model.safetensors tie all of them together (`shared.checkpoints.parts`), so a checkpoint
is read exactly as it was saved, or refused. GPT-2's files from the Hub have no hashes: they are
checked only against the manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.checkpoints import gpt2_format, hub, parts
from shared.checkpoints import tensors as tensor_files
from shared.checkpoints.directories import (
    checkpoint_path,
    clean_leftovers,
    newest_checkpoint,
    write_directory,
)
from shared.checkpoints.hub_tokenizer import read_tokenizer
from shared.checkpoints.record import TrainingRecord
from shared.checkpoints.tensors import Header
from shared.checkpoints.untrusted import decode, parse_object, read_bytes, reason, refuse, show
from shared.config import GPTConfig, weight_dtype
from shared.errors import CheckpointError, TokenizerError
from shared.layout import tensor_shapes
from shared.text.tokenizers import Tokenizer

__all__ = [
    "Checkpoint",
    "TrainingRecord",
    "checkpoint_path",
    "clean_leftovers",
    "load_checkpoint",
    "newest_checkpoint",
    "save_checkpoint",
]

_MOMENTS: dict[str, tuple[str, ...]] = {"adamw": ("m", "v"), "sgd": ()}


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a checkpoint directory holds."""

    config: GPTConfig
    weights: dict[str, np.ndarray]
    """By canonical name, in the manifest's order."""
    dtype: str
    """Of weights and moments: float32 or float64."""
    tokenizer: Tokenizer | None
    training: TrainingRecord | None
    moments: dict[str, dict[str, np.ndarray]] | None
    """AdamW: {"m": …, "v": …} by tensor name. SGD: empty. None: it cannot be resumed."""
    stored_as: str | None = None
    """The dtype of the weights in another program's files, such as "float16", read as `dtype`."""


def save_checkpoint(
    path: str | Path,
    config: GPTConfig,
    weights: Mapping[str, np.ndarray],
    *,
    tokenizer: Tokenizer | None = None,
    training: TrainingRecord | None = None,
    moments: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> None:
    """Write the checkpoint directory `path`, completely or not at all, replacing an existing one.

    The same state gives the same bytes. The parent directory of `path` must exist. `weights` are
    exactly those of `tensor_shapes(config)`, all float32 or all float64. `moments`, which only
    resuming needs, need `training`.

    Raises:
        CheckpointError: weights or moments that do not match the manifest or are not finite, parts
            that do not belong together, a directory at `path` that is not a checkpoint, or a disk
            that is full or read-only. In each case, what was at `path` is left untouched.
    """
    target = _resolved(Path(path))
    dtype = next((array.dtype.name for array in weights.values()), "")
    if dtype not in tensor_files.CODES:
        refuse(target, f"weights: expected float32 or float64, found {dtype or 'none'}")
    own_moments = None if moments is None else {kind: dict(moments[kind]) for kind in moments}
    checkpoint = Checkpoint(config, dict(weights), dtype, tokenizer, training, own_moments)
    _check_parts(target, checkpoint)
    files = _encode(target, checkpoint)
    try:
        _check_replaceable(target)
        write_directory(target, files, _read_back)
    except OSError as error:
        if not target.parent.is_dir():
            refuse(target, f"cannot be saved: the directory {target.parent} does not exist")
        refuse(target, f"cannot be saved: {reason(error)}")


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint directory: ours, or a GPT-2 from the Hub.

    From the Hub: safetensors, one file or several, with or without "transformer." in the names;
    half precision is widened to float32, mask buffers and a second copy of a tied lm_head are
    dropped.

    Raises:
        CheckpointError: it is missing, incomplete, damaged, or not what it claims to be. The
            message says which file, which tensor, what was expected and what was found.
    """
    directory = Path(path)
    _check_is_checkpoint(directory)
    content = read_bytes(directory, parts.CONFIG, parts.JSON_LIMIT)
    table = parse_object(directory / parts.CONFIG, content)
    parts.check_version(directory / parts.CONFIG, table)
    config = gpt2_format.config_from_json(directory / parts.CONFIG, table)
    headers = hub.read_headers(directory, config.n_layer)
    own = headers.get(directory / parts.MODEL)
    if own is not None and parts.has_hashes(own):
        dtype = parts.check_dtype(directory / parts.CONFIG, table.get("dtype"))
        checkpoint = _load_own(directory, config, parts.file_hash(content), own, dtype)
    elif parts.exists(directory, parts.TRAINING):
        refuse(directory / parts.MODEL, f"the content hash is missing; {parts.TRAINING} needs it")
    else:
        checkpoint = _load_hub(directory, config, headers)
    tokenizer = checkpoint.tokenizer
    if tokenizer is not None:
        if tokenizer.vocab_size < config.vocab_size:
            tokenizer.pad(config.vocab_size)  # many models have a round number of ids, some unused
        tokenizer.begin_of_text, tokenizer.end_of_text = parts.read_ends(directory, table, config)
    _check_parts(directory, checkpoint)
    return checkpoint


def _load_own(
    directory: Path, config: GPTConfig, config_hash: str, header: Header, dtype: str
) -> Checkpoint:
    """One of our own checkpoints: every part that it was saved with, exactly as it was saved."""
    shapes = tensor_shapes(config)
    weights = parts.read_weights(directory / parts.MODEL, header, shapes, dtype)
    hashes = parts.stored_hashes(directory / parts.MODEL, header)
    parts.check_hash(directory / parts.CONFIG, config_hash, hashes[parts.CONFIG])
    for name in sorted(parts.FILES - hashes.keys() - {parts.MODEL}):
        if parts.exists(directory, name):
            refuse(directory / name, f"not of this checkpoint: {parts.MODEL} was saved without it")
    tokenizer, training, moments = None, None, None
    if parts.TOKENIZER in hashes:
        tokenizer = _read_tokenizer(directory, hashes)
    for name in parts.FOR_TRANSFORMERS:
        if name in hashes and parts.exists(directory, name):
            parts.read_part(directory, name, parts.JSON_LIMIT, hashes)
    if parts.TRAINING in hashes:
        content = parts.read_part(directory, parts.TRAINING, parts.JSON_LIMIT, hashes)
        training = TrainingRecord.from_json(directory / parts.TRAINING, content)
    # Without its moments, two thirds of its size, a checkpoint can still be sampled from.
    if parts.OPTIMIZER in hashes and parts.exists(directory, parts.OPTIMIZER):
        kinds = _MOMENTS[training.train.optimizer] if training else ()
        moments = parts.read_moments(directory, kinds, config, dtype, hashes)
    return Checkpoint(config, weights, dtype, tokenizer, training, moments)


def _load_hub(directory: Path, config: GPTConfig, headers: Mapping[Path, Header]) -> Checkpoint:
    """Weights, and the tokenizer if there is one; nothing about the training."""
    weights, stored_as = hub.read_weights(directory, headers, config)
    dtype = next(iter(weights.values())).dtype.name
    tokenizer = read_tokenizer(directory, config.vocab_size)
    return Checkpoint(config, weights, dtype, tokenizer, None, None, stored_as)


def _read_back(directory: Path) -> None:
    """Read everything that comes before the tensors, as a reader of this checkpoint does."""
    content = read_bytes(directory, parts.CONFIG, parts.JSON_LIMIT)
    table = parse_object(directory / parts.CONFIG, content)
    config = gpt2_format.config_from_json(directory / parts.CONFIG, table)
    header = tensor_files.read_header(directory, parts.MODEL, config.n_layer)
    hashes = parts.stored_hashes(directory / parts.MODEL, header)
    parts.check_hash(directory / parts.CONFIG, parts.file_hash(content), hashes[parts.CONFIG])
    if parts.TRAINING in hashes:
        content = parts.read_part(directory, parts.TRAINING, parts.JSON_LIMIT, hashes)
        TrainingRecord.from_json(directory / parts.TRAINING, content)


def _read_tokenizer(directory: Path, hashes: Mapping[str, Any]) -> Tokenizer:
    file = directory / parts.TOKENIZER
    content = parts.read_part(directory, parts.TOKENIZER, parts.TOKENIZER_LIMIT, hashes)
    try:
        return Tokenizer.from_json(decode(file, content))
    except TokenizerError as error:
        refuse(file, error)


def _encode(path: Path, checkpoint: Checkpoint) -> dict[str, bytes]:
    """The files of a checkpoint by name. Raises `CheckpointError` for tensors it cannot hold."""
    shapes = tensor_shapes(checkpoint.config)
    dtype = checkpoint.dtype
    tensor_files.check_arrays(path / parts.MODEL, checkpoint.weights, shapes, dtype)
    tokenizer = checkpoint.tokenizer
    files = {parts.CONFIG: parts.encode_config(checkpoint.config, dtype, tokenizer)}
    if tokenizer is not None:
        content = tokenizer.to_json().encode()
        if len(content) > parts.TOKENIZER_LIMIT:  # it could not be read again
            most = f"at most {parts.TOKENIZER_LIMIT} are kept; choose a smaller vocab_size"
            refuse(path / parts.TOKENIZER, f"too large: {len(content)} bytes; {most}")
        files[parts.TOKENIZER] = content
        if gpt2_format.is_gpt2(checkpoint.config):
            table = parts.encode_tokenizer_config(checkpoint.config, tokenizer)
            files[parts.TOKENIZER_CONFIG] = table
    if checkpoint.training is not None:
        files[parts.TRAINING] = checkpoint.training.to_json()
    hashes = {name: parts.file_hash(content) for name, content in files.items()}
    if checkpoint.moments is not None:
        moments = parts.join_moments(checkpoint.moments)
        expected = parts.moment_shapes(tuple(checkpoint.moments), shapes)
        tensor_files.check_arrays(path / parts.OPTIMIZER, moments, expected, dtype)
        metadata = tensor_files.signed(moments, {})
        hashes[parts.OPTIMIZER] = metadata["sha256"]
        files[parts.OPTIMIZER] = tensor_files.encode(moments, metadata)
    files[parts.MODEL] = parts.encode_model(checkpoint.weights, hashes)
    return files


def _resolved(path: Path) -> Path:
    """Resolve a path, so that a checkpoint replaces the one behind a symbolic link."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} is not a usable path: {error}") from error


def _check_is_checkpoint(directory: Path) -> None:
    """Explain why a path cannot be a checkpoint, before a file in it is reported missing."""
    try:
        if not directory.is_dir():
            there = directory.exists()
            refuse(directory, "not a directory" if there else "there is no checkpoint here")
        names = {entry.name for entry in directory.iterdir()}
    except OSError as error:
        refuse(directory, f"cannot be read: {reason(error)}")
    if not {parts.MODEL, parts.INDEX} & names and any(n.startswith("pytorch_model") for n in names):
        refuse(
            directory,
            f"holds pytorch_model.bin but no {parts.MODEL}: pickled weights can run any program, "
            f"so they are never read; if you trust them, convert them with Transformers: "
            f"AutoModelForCausalLM.from_pretrained(…).save_pretrained(…)",
        )


def _check_replaceable(path: Path) -> None:
    """Let a save replace, and so remove, only a checkpoint, never the user's own files."""
    if not path.exists():
        return
    if not path.is_dir():
        refuse(path, "cannot be replaced: it is a file, not a checkpoint")
    if strangers := sorted({entry.name for entry in path.iterdir()} - parts.FILES):
        refuse(path, f"cannot be replaced: {show(strangers[0])} in it is no part of a checkpoint")


def _check_parts(path: Path, checkpoint: Checkpoint) -> None:
    """Refuse parts that are each valid but do not belong together."""

    def check(name: str, what: str, expected: object, found: object) -> None:
        if found != expected:
            refuse(path / name, f"{what}: expected {show(expected)}, found {show(found)}")

    tokenizer, training, moments = checkpoint.tokenizer, checkpoint.training, checkpoint.moments
    if tokenizer is not None:
        check(parts.TOKENIZER, "vocab_size", checkpoint.config.vocab_size, tokenizer.vocab_size)
    if training is not None:
        check(parts.TRAINING, "dtype", checkpoint.dtype, weight_dtype(training.dtype))
    if tokenizer is not None and training is not None:
        check(parts.TRAINING, "tokenizer", tokenizer.kind, training.tokenizer)
    if moments is not None:
        if training is None:
            refuse(path / parts.OPTIMIZER, f"moments, but no {parts.TRAINING} to go on from")
        optimizer = training.train.optimizer
        kinds = sorted(_MOMENTS[optimizer])
        check(parts.OPTIMIZER, f"moments of {optimizer}", kinds, sorted(moments))
