"""One text as the three backends write it, with the time of every token."""

import time
from itertools import accumulate
from typing import Any

from docs.data import Producer
from docs.producers import trained
from docs.producers.trained import Ids
from lessons.alone import run_alone
from shared.checkpoints.checkpoint import Checkpoint
from shared.config import SampleConfig
from shared.protocol import BACKENDS, load_backend

PROMPT = "Enter Ann.\nAnn:"
SAMPLING = SampleConfig(max_new_tokens=180, temperature=0.7, seed=9)
REPEATS = 5
"""How many times the text is written. The first time, a backend may compile."""
SECONDS = 18
"""How long the slowest backend takes on the page."""


def measure() -> dict[str, Any]:
    """Let each backend write the same text in a separate process."""
    checkpoint, tokenizer = trained.trained()
    ids = tokenizer.encode(PROMPT)
    written = {name: run_alone(write, name, checkpoint, ids) for name in BACKENDS}
    cached = checkpoint.config.block_size - len(ids)
    backends = {
        name: {"text": tokenizer.decode(tokens), **describe(seconds, cached)}
        for name, (tokens, seconds) in written.items()
    }
    slowest = max(sum(seconds) for _, seconds in written.values())
    return {"prompt": PROMPT, "backends": backends, "slowed": float(f"{SECONDS / slowest:.2g}")}


def write(backend: str, checkpoint: Checkpoint, prompt: Ids) -> tuple[list[int], list[float]]:
    """Write the text several times. Returns its tokens, and for each its shortest time."""
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
    return tokens, [min(each) for each in zip(*rounds, strict=True)]


def describe(seconds: list[float], cached: int) -> dict[str, Any]:
    """When each token appeared, and tokens per second, from the time of each. The `cached` tokens
    after the first cost one position each; those past the window cost a full forward."""
    return {
        "at": [float(f"{at:.5g}") for at in accumulate(seconds)],
        "tokens_per_second": speed(seconds),
        "with_cache": speed(seconds[1 : 1 + cached]),
        "without": speed(seconds[1 + cached :]),
    }


def speed(seconds: list[float]) -> float:
    """Tokens per second, from the time of each token."""
    return len(seconds) / sum(seconds)


PRODUCER = Producer("typed", "a text that the three backends write, and how fast", measure)
