"""Checkpoints with a value in every part, for tests of what saves and loads them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from conformance.cases import BASE
from shared.checkpoints.checkpoint import TrainingRecord, save_checkpoint
from shared.config import GPTConfig, TrainConfig
from shared.layout import tensor_shapes
from shared.text.tokenizers import build_tokenizer

Tensors = dict[str, np.ndarray]

SGD = TrainConfig(
    *(1234, 5, "sgd", 3e-3, 2e-5, "constant", 7, 0.8, 0.95, 1e-7, 0.3, 2.5, 33, 44, 2**63 - 1, 3)
)
ADAMW = replace(SGD, optimizer="adamw")
TOKENIZER = build_tokenizer("char", "".join(map(chr, range(0xC0, 0xC0 + 37))))


def draw(config: GPTConfig, dtype: str = "float32", seed: int = 0) -> Tensors:
    """Draw weights or moments of a model, without special values."""
    rng, shapes = np.random.default_rng(seed), tensor_shapes(config)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def record(dtype: Any = "float32", train: TrainConfig = ADAMW, **changes: Any) -> TrainingRecord:
    """A record with a value in every field."""
    values: dict[str, Any] = {
        **{"step": 2**63 - 1, "seed": train.seed, "train": train, "dtype": dtype},
        **{"dataset": "a text", "dataset_sha256": "0123456789abcdef" * 4, "tokenizer": "char"},
        **{"backend": "jax", "val_loss": 1.8765432101234567, "versions": {"python": "3.11"}},
        **{"init_from": "runs/first", "init_from_sha256": "f" * 64},
    }
    return TrainingRecord(**values | changes)


def save(path: Path, config: GPTConfig = BASE, dtype: str = "float32", **changes: Any) -> Path:
    """Save everything that a checkpoint can hold: m is drawn with seed 1, v with seed 2."""
    parts: dict[str, Any] = {
        "weights": draw(config, dtype),
        "tokenizer": TOKENIZER,
        "training": record(dtype),
        "moments": {"m": draw(config, dtype, 1), "v": draw(config, dtype, 2)},
    }
    save_checkpoint(path, config, **parts | changes)
    return path


def hub(path: Path, config: GPTConfig, tensors: Tensors, metadata: Any = None, **more: Any) -> Path:
    """Save as on the hub, without hashes: sizes only, not the settings all GPT-2 models share."""
    sizes = {"vocab_size": config.vocab_size, "n_positions": config.block_size}
    sizes |= {"n_layer": config.n_layer, "n_head": config.n_head, "n_embd": config.n_embd}
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(sizes | {"n_inner": config.n_inner} | more))
    save_file(tensors, path / "model.safetensors", metadata=metadata)
    return path
