"""Turn options into everything that training needs, before anything is written."""

import importlib.metadata
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from shared.checkpoints.checkpoint import Checkpoint, TrainingRecord
from shared.checkpoints.tensors import signed
from shared.commands.options import TrainOptions
from shared.commands.terminal import announced
from shared.config import GPTConfig
from shared.errors import RunError
from shared.layout import init_weights
from shared.memory import check_memory
from shared.protocol import TrainState
from shared.text.datasets import Dataset, TokenData, encode_dataset, fit_tokenizer, load_dataset
from shared.text.fine_tuning import refuse_unknown_characters
from shared.text.tokenizers import Tokenizer

Origin = tuple[str | None, str | None]
"""For fine-tuning: where the initial weights came from, and their hash."""


@dataclass(frozen=True)
class Preparation:
    """What to train, on what, from where."""

    config: GPTConfig
    weights: Mapping[str, np.ndarray]
    dataset: Dataset
    tokenizer: Tokenizer
    data: TokenData
    record: TrainingRecord
    start: TrainState | None
    """Where a resumed run continues. None for a run that begins at step 0."""


def prepare(backend: str, options: TrainOptions, checkpoint: Checkpoint | None) -> Preparation:
    """Read the data and find the weights to start from: those of `checkpoint`, or new ones.

    Raises:
        DatasetError, TokenizerError, ConfigError: what was requested is unusable.
        RunError: the checkpoint cannot be resumed or fine-tuned.
    """
    if checkpoint is None:
        return _new(backend, options)
    go_on = _resumed if options.run.resume else _fine_tuned
    return go_on(backend, options, checkpoint)


def _new(backend: str, options: TrainOptions) -> Preparation:
    dataset = _read(options)
    with announced(f"building the {options.data.tokenizer} tokenizer"):
        tokenizer = fit_tokenizer(dataset, options.data.tokenizer, options.data.vocab_size)
    config = options.model.config(tokenizer.vocab_size)
    check_memory(config, options.train, options.run.dtype)
    data = _encode(dataset, tokenizer, config.block_size)
    weights = init_weights(config, options.train.seed, options.run.dtype)
    record = _record(backend, options, dataset)
    return Preparation(config, weights, dataset, tokenizer, data, record, None)


def _fine_tuned(backend: str, options: TrainOptions, checkpoint: Checkpoint) -> Preparation:
    """Weights, architecture and tokenizer of the checkpoint; a fresh optimizer, another text."""
    config = replace(checkpoint.config, dropout=options.model.dropout)
    weights, tokenizer = checkpoint.weights, checkpoint.tokenizer
    source = str(options.run.init_from)
    if tokenizer is None:
        raise RunError(f"{source} cannot be started from: it has no tokenizer.json")
    dataset = _read(options)
    refuse_unknown_characters(tokenizer, dataset, source)
    check_memory(config, options.train, options.run.dtype)
    data = _encode(dataset, tokenizer, config.block_size)
    record = _record(backend, options, dataset, (source, signed(weights, {})["sha256"]))
    return Preparation(config, weights, dataset, tokenizer, data, record, None)


def _resumed(backend: str, options: TrainOptions, checkpoint: Checkpoint) -> Preparation:
    before, tokenizer, moments = checkpoint.training, checkpoint.tokenizer, checkpoint.moments
    if before is None or tokenizer is None or moments is None:
        raise RunError(
            f"{options.run.out} cannot be resumed: its checkpoint has no optimizer.safetensors, "
            f"where the optimizer's moments are"
        )
    if options.train.steps < before.step:
        raise RunError(
            f"{options.run.out} has done {before.step} steps; --steps {options.train.steps} is less"
        )
    check_memory(checkpoint.config, options.train, options.run.dtype)
    dataset = _read(options)
    if dataset.sha256 != before.dataset_sha256:
        raise RunError(
            f"{options.data.dataset} is not the text that {options.run.out} was trained on: its "
            f"sha256 is {dataset.sha256[:12]}…, that of {before.dataset} was "
            f"{before.dataset_sha256[:12]}…"
        )
    data = _encode(dataset, tokenizer, checkpoint.config.block_size)
    start = TrainState(before.step, dict(checkpoint.weights), moments)
    origin = before.init_from, before.init_from_sha256
    record = _record(backend, options, dataset, origin)
    config, weights = checkpoint.config, checkpoint.weights
    return Preparation(config, weights, dataset, tokenizer, data, record, start)


def _read(options: TrainOptions) -> Dataset:
    with announced(f"reading {options.data.dataset}"):
        return load_dataset(options.data.dataset)


def _encode(dataset: Dataset, tokenizer: Tokenizer, block_size: int) -> TokenData:
    with announced(f"encoding {len(dataset.contents):,} characters"):
        return encode_dataset(dataset, tokenizer, block_size)


def _record(
    backend: str, options: TrainOptions, dataset: Dataset, origin: Origin = (None, None)
) -> TrainingRecord:
    """The record that every checkpoint of this run stores; step and loss are filled in later."""
    return TrainingRecord(
        step=0,
        seed=options.train.seed,
        dataset=dataset.name,
        dataset_sha256=dataset.sha256,
        train=options.train,
        tokenizer=options.data.tokenizer,
        backend=backend,
        dtype=options.run.dtype,
        val_loss=None,
        versions=_versions(),
        init_from=origin[0],
        init_from_sha256=origin[1],
    )


def _versions() -> dict[str, str]:
    """The versions of Python and of the packages that may have been involved, if installed."""
    found = {"python": platform.python_version()}
    for package in ("numpy", "torch", "jax", "jaxlib", "flax", "optax", "tokenizers"):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
