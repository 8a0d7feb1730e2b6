"""One backend's part of the comparison: train, measure, write a sample."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shared.config import GPTConfig, SampleConfig, TrainConfig
from shared.errors import RunError
from shared.protocol import load_backend, precisions
from shared.runs.loop import evaluate
from shared.runs.metrics import Metrics
from shared.runs.progress import progress_display
from shared.text.datasets import TokenData, batch


@dataclass(frozen=True)
class Task:
    """The same weights, batches and prompt, for every backend."""

    config: GPTConfig
    weights: Mapping[str, np.ndarray]
    train: TrainConfig
    data: TokenData
    prompt: np.ndarray
    sampling: SampleConfig


@dataclass(frozen=True)
class Report:
    losses: list[float]
    """Of every step's batch, before its update, in nats per token."""
    val_loss: float
    """On the whole validation split, after the last step."""
    first_step: float
    """Seconds of the first step: where a backend compiles, it does so here."""
    step: float
    """Seconds of a step, median of all but the first."""
    tokens_per_second: float
    """In training, at that speed."""
    sample: list[int]
    """The tokens written after the prompt."""


def train_backend(backend: str, task: Task) -> Report:
    """Train `backend` on `task`. Needs the machine to itself: see `lessons.alone`. Raises
    `UserError` if the backend cannot be loaded, or its loss is no longer finite."""
    config, train = task.config, task.train
    loaded = load_backend(backend)
    model = loaded.build(config, task.weights, dtype=precisions(loaded)[0])
    trainer = model.trainer(train)
    sizes = {"batch_size": train.batch_size, "block_size": config.block_size, "seed": train.seed}
    losses, seconds = [], []
    with progress_display(0, train.steps) as display:
        for step in range(train.steps):
            tokens, targets = batch(task.data.train, **sizes, step=step)
            began = time.perf_counter()
            result = trainer.step(tokens, targets)
            seconds.append(time.perf_counter() - began)
            losses.append(result.loss)
            if not np.isfinite(result.loss):
                raise RunError(f"{backend}: the loss is {result.loss} at step {step + 1}")
            speed = tokens.size / seconds[-1]
            display.update(Metrics(step + 1, result.loss, tokens_per_second=speed))
    first, *others = seconds
    median = statistics.median(others or seconds)
    return Report(
        losses=losses,
        val_loss=evaluate(model, task.data.val, train.batch_size),
        first_step=first,
        step=median,
        tokens_per_second=train.batch_size * config.block_size / median,
        sample=list(model.generate(task.prompt, task.sampling)),
    )
