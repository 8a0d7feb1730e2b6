"""The bigram baseline's command line: `python -m impls.NAME.bigram`.

What a GPT has to beat. The exact answer needs no training: count the pairs. The trained table
approaches it, which shows what training is.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, cast

import numpy as np
from jaxtyping import Float, Int
from tyro.conf import arg

from shared.backend import Bigram, BigramBackend, load_backend
from shared.cli import run_command, say
from shared.config import TrainConfig
from shared.datasets import DATASETS, TokenData, batch, encode_dataset, fit_tokenizer, load_dataset
from shared.errors import BackendError
from shared.options import parse, program

WINDOW = 64
"""Tokens per row of a batch, as in the GPT's batches. The table sees one at a time."""


@dataclass(frozen=True)
class BigramOptions:
    """Everything that the baseline can be told."""

    dataset: Annotated[str, arg(metavar="|".join((*DATASETS, "FILE")))] = "auto"
    """auto: tinyshakespeare where it can be had, else playlets. FILE: any UTF-8 text."""
    steps: int = 500
    """Updates of the table."""
    batch_size: int = 64
    """Rows of 64 tokens per update."""
    learning_rate: float = 0.1
    """AdamW's, at its peak; it ends at a hundredth of that."""
    seed: int = 1337
    """Decides the order of the batches."""


def bigram_main(backend: str, argv: Sequence[str] | None = None) -> int:
    """Count and train the table, and show both. Returns the exit status."""
    return run_command(lambda: _bigram(backend, argv))


def _bigram(backend: str, argv: Sequence[str] | None) -> int:
    options = parse(
        BigramOptions,
        argv,
        default=BigramOptions(),
        prog=program(backend, "bigram"),
        description=f"Count and train the bigram baseline, computed by the {backend} backend.",
    )
    config = TrainConfig(
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        min_lr=options.learning_rate / 100,
        warmup_steps=0,
        weight_decay=0.0,
        grad_clip=0.0,
        seed=options.seed,
    )
    dataset = load_dataset(options.dataset)
    tokenizer = fit_tokenizer(dataset, "char")
    data = encode_dataset(dataset, tokenizer, WINDOW)
    room = load_backend(backend)
    if not isinstance(room, BigramBackend):
        raise BackendError(f"backend {backend!r} has no bigram")
    say(f"data  {dataset.note}")
    V = tokenizer.vocab_size
    counted = log_frequencies(room.count_bigrams(data.train, V))
    exact = room.bigram(counted, config).loss(data.val[None, :-1], data.val[None, 1:])
    print(f"guessing among {V} tokens       {math.log(V):.4f} nats per token")
    print(f"counted exactly               {exact:.4f}")
    model = room.bigram(np.zeros((V, V)), config)
    for step, loss in _train(model, data, config):
        print(f"trained, {step:5,} steps          {loss:.4f}", flush=True)
    away = np.abs(_probabilities(model.table()) - np.exp(counted))
    common = np.bincount(data.train, minlength=V).argsort()[-10:]  # rare ones have seen little
    print("largest difference between a trained and a counted probability")
    print(f"after the ten most common     {away[common].max():.4f}")
    return 0


def _train(model: Bigram, data: TokenData, config: TrainConfig) -> Iterator[tuple[int, float]]:
    """Train, and give the loss on the whole validation split ten times."""
    for step in range(config.steps):
        tokens, targets = batch(
            data.train,
            batch_size=config.batch_size,
            block_size=WINDOW,
            seed=config.seed,
            step=step,
        )
        model.step(tokens, targets)
        if (step + 1) % max(1, config.steps // 10) == 0 or step + 1 == config.steps:
            yield step + 1, model.loss(data.val[None, :-1], data.val[None, 1:])


def log_frequencies(counts: Int[np.ndarray, "V V"]) -> Float[np.ndarray, "V V"]:
    """ln P(b | a) from counts [a, b], each plus one, so that nothing is impossible (Laplace)."""
    smoothed = counts + 1.0
    return cast(np.ndarray, np.log(smoothed / smoothed.sum(axis=1, keepdims=True)))


def _probabilities(table: Float[np.ndarray, "V V"]) -> Float[np.ndarray, "V V"]:
    e = np.exp(table - table.max(axis=1, keepdims=True))
    return cast(np.ndarray, e / e.sum(axis=1, keepdims=True))
