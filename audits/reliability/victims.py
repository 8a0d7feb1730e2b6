"""The sound checkpoints that are corrupted: of every shape that a checkpoint can have."""

import functools
import tempfile
from dataclasses import replace
from pathlib import Path

from audits.reliability.damage import Victim
from audits.reliability.samples import (
    CHAR,
    CONFIG,
    TEXT,
    TIED,
    hub_tensors,
    random_tensors,
    record,
    save_everything,
    write_hub,
)
from shared.checkpoints.checkpoint import load_checkpoint
from shared.config import TrainConfig
from shared.text.tokenizers import build_tokenizer


@functools.cache
def victims() -> tuple[Victim, ...]:
    """Four of ours, with all hashes; three as the hub has them, without any."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        word = build_tokenizer("word", TEXT)
        bpe = build_tokenizer("bpe", TEXT, 258)
        sgd = record(train=TrainConfig(seed=7, optimizer="sgd"))
        save_everything(directory / "ours")
        save_everything(
            directory / "ours-float64",
            replace(TIED, vocab_size=word.vocab_size, position="sinusoidal"),
            "float64",
            tokenizer=word,
            training=record("float64", tokenizer="word"),
        )
        save_everything(
            directory / "ours-sgd",
            replace(CONFIG, vocab_size=bpe.vocab_size, bias=False, norm="post"),
            tokenizer=bpe,
            training=replace(sgd, tokenizer="bpe"),
            moments={},
        )
        save_everything(directory / "ours-weights", tokenizer=None, training=None, moments=None)
        (write_hub(directory / "hub") / "tokenizer.json").write_text(CHAR.to_json())
        write_hub(directory / "hub-prefixed", hub_tensors("transformer."))
        hub_bpe = write_hub(
            directory / "hub-bpe",
            random_tensors(replace(CONFIG, vocab_size=bpe.vocab_size), "float64"),
            vocab_size=bpe.vocab_size,
            tie_word_embeddings=False,
        )
        (hub_bpe / "tokenizer.json").write_text(bpe.to_json(), encoding="utf-8")
        return tuple(read(path) for path in sorted(directory.iterdir()))


def read(path: Path) -> Victim:
    """A checkpoint directory as a victim."""
    files = {file.name: file.read_bytes() for file in sorted(path.iterdir())}
    return Victim(path.name, files, load_checkpoint(path), not path.name.startswith("hub"))
