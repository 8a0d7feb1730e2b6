"""One text as the three backends write it, with the time of every token."""

import time
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from jaxtyping import Int

from docs.data import Producer
from docs.producers import trained
from lessons.alone import run_alone
from shared.checkpoints.checkpoint import Checkpoint
from shared.config import SampleConfig
from shared.protocol import BACKENDS, load_backend

PROMPT = "Enter Ann.\nAnn:"
SAMPLING = SampleConfig(max_new_tokens=180, temperature=0.7, seed=9)
REPEATS = 5
"""How often the text is written. The first time, a backend may compile."""
SECONDS = 18
"""How long the slowest takes on the page."""


@dataclass(frozen=True)
class Written:
    """What one backend wrote."""

    tokens: list[int]
    seconds: list[float]
    """For every token, its shortest time over all repeats."""


def measure() -> dict[str, Any]:
    """Let each backend write the same text in a separate process."""
    checkpoint, tokenizer = trained.trained()
    ids = tokenizer.encode(PROMPT)
    written = {name: run_alone(write, name, checkpoint, ids) for name in BACKENDS}
    texts = {name: tokenizer.decode(found.tokens) for name, found in written.items()}
    cached = checkpoint.config.block_size - len(ids)
    return {"prompt": PROMPT, **describe(texts, written, cached)}


def write(backend: str, checkpoint: Checkpoint, prompt: Int[np.ndarray, " T0"]) -> Written:
    """Write the text, several times."""
    model = load_backend(backend).build(checkpoint.config, checkpoint.weights)
    rounds = []
    for _ in range(REPEATS):
        tokens, seconds, before = [], [], time.perf_counter()
        for token in model.generate(prompt, SAMPLING):
            now = time.perf_counter()
            tokens.append(token)
            seconds.append(now - before)
            before = now
        rounds.append(seconds)
    return Written(tokens, [min(each) for each in zip(*rounds, strict=True)])


def describe(texts: dict[str, str], written: dict[str, Written], cached: int) -> dict[str, Any]:
    """What each backend wrote, when, and the factor by which the page slows it down.

    Args:
        texts: the texts, one character per token.
        written: the texts as tokens, with their times.
        cached: the number of tokens after the first that cost one position each, because they fit
            in the window. Each later token costs a full forward.
    """
    backends = {
        name: {
            "text": texts[name],
            "at": [float(f"{at:.5g}") for at in accumulate(found.seconds)],
            "tokens_per_second": speed(found.seconds),
            "with_cache": speed(found.seconds[1 : 1 + cached]),
            "without": speed(found.seconds[1 + cached :]),
        }
        for name, found in written.items()
    }
    slowest = max(sum(found.seconds) for found in written.values())
    return {"backends": backends, "slowed": float(f"{SECONDS / slowest:.2g}")}


def speed(seconds: list[float]) -> float:
    """Tokens per second, from the time of each token."""
    return len(seconds) / sum(seconds)


PRODUCER = Producer(
    name="typed",
    what="a text that the three backends write, and how fast",
    sources=(*trained.SOURCES, "docs/producers/typed.py"),
    measure=measure,
)
