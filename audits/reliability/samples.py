"""Small checkpoints of ours and as on the hub, and bit-exact comparison of two."""

import functools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance.shared.checkpoints.samples import SGD, Tensors, draw, hub, record, save
from shared.checkpoints.checkpoint import Checkpoint, load_checkpoint
from shared.config import GPTConfig
from shared.text.tokenizers import build_tokenizer

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak."
CHAR = build_tokenizer("char", TEXT)
CONFIG = GPTConfig(vocab_size=CHAR.vocab_size, block_size=6, n_layer=2, n_head=2, n_embd=4)


def same(a: Checkpoint, b: Checkpoint) -> bool:
    """Whether two checkpoints are equal to the last bit, the order of their tensors included."""

    def exactly(checkpoint: Checkpoint) -> tuple[Any, ...]:
        tokenizer, moments = checkpoint.tokenizer, checkpoint.moments
        return (
            *(checkpoint.config, checkpoint.dtype, checkpoint.training),
            *(tokenizer and tokenizer.to_json(), moments and list(moments), moments is None),
            [
                (name, array.dtype, array.shape, array.tobytes())
                for tensors in (checkpoint.weights, *(moments or {}).values())
                for name, array in tensors.items()
            ],
        )

    return exactly(a) == exactly(b)


HUB_CONFIG: dict[str, object] = {
    **{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_ctx": CONFIG.block_size},
    **{"activation_function": "gelu_new", "initializer_range": 0.02, "layer_norm_epsilon": 1e-05},
    **{"attn_pdrop": 0.1, "embd_pdrop": 0.1, "resid_pdrop": 0.1, "summary_type": "cls_index"},
    **{"bos_token_id": 50256, "eos_token_id": 50256},
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
}
"""What GPT-2's config.json has besides sizes."""


def hub_tensors(prefix: str = "") -> Tensors:
    """Weights of `CONFIG` as GPT-2's files have them: tied, and with mask buffers."""
    n = CONFIG.block_size
    weights = draw(replace(CONFIG, tie_weights=True))
    tensors = {name.replace("transformer.", prefix): array for name, array in weights.items()}
    for i in range(CONFIG.n_layer):
        tensors[f"{prefix}h.{i}.attn.bias"] = np.tril(np.ones((1, 1, n, n), np.float32))
        tensors[f"{prefix}h.{i}.attn.masked_bias"] = np.array(-1e4, np.float32)
    return tensors


@dataclass(frozen=True)
class Victim:
    """A valid checkpoint, to be corrupted."""

    name: str
    files: dict[str, bytes]
    checkpoint: Checkpoint
    ours: bool
    """Whether it has hashes. A file from the hub has none."""


@functools.cache
def victims() -> tuple[Victim, ...]:
    """All kinds of checkpoints: three of ours, two as on the hub."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        word, bpe = build_tokenizer("word", TEXT), build_tokenizer("bpe", TEXT, 258)
        with_bpe = replace(CONFIG, vocab_size=bpe.vocab_size)
        save(directory / "ours", CONFIG, tokenizer=CHAR)
        with_word = replace(CONFIG, vocab_size=word.vocab_size, bias=False, norm="post")
        of_sgd = {"training": record("float64", SGD, tokenizer="word"), "moments": {}}
        save(directory / "ours-sgd", with_word, "float64", tokenizer=word, **of_sgd)
        save(directory / "ours-weights", CONFIG, tokenizer=None, training=None, moments=None)
        hub(directory / "hub", CONFIG, hub_tensors("transformer."), **HUB_CONFIG)
        untied = HUB_CONFIG | {"tie_word_embeddings": False}
        hub_bpe = hub(directory / "hub-bpe", with_bpe, draw(with_bpe, "float64"), **untied)
        (hub_bpe / "tokenizer.json").write_text(bpe.to_json(), encoding="utf-8")
        return tuple(
            Victim(
                path.name,
                {file.name: file.read_bytes() for file in sorted(path.iterdir())},
                load_checkpoint(path),
                ours=path.name.startswith("ours"),
            )
            for path in sorted(directory.iterdir())
        )
