"""The legs of a relay: the part that one backend trains, and the state at its end."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from conformance.compare import relative_error
from shared.checkpoints.checkpoint import checkpoint_path, load_checkpoint
from shared.commands.options import UsageError, parse_train
from shared.commands.prepare import prepare
from shared.commands.trained import load_trained
from shared.protocol import load_backend
from shared.runs.directory import RunDirectory
from shared.runs.loop import train
from shared.runs.metrics import Metrics, read_metrics
from shared.runs.progress import ProgressDisplay
from shared.runs.stopping import StopRequest


class Leg(NamedTuple):
    """One backend's part of the relay."""

    backend: str
    first: int
    """Its first step, counted from 1."""
    last: int
    """Its last step, after which it hands over."""


class Difference(NamedTuple):
    """The difference between the relay and a run in one backend."""

    size: float
    """The largest |a − b| divided by the largest |a| or |b| of a tensor."""
    where: str
    """The tensor."""


class Snapshot(NamedTuple):
    """A run after one of its steps."""

    tensors: dict[str, np.ndarray]
    """Weights by name, and moments as "m of NAME" and "v of NAME"."""
    loss: float
    """Of the step's batch."""


class StopAfter(ProgressDisplay):
    """Requests a stop after a step, as Ctrl-C does."""

    def __init__(self, step: int, stop: StopRequest) -> None:
        self._step, self._stop = step, stop

    def update(self, row: Metrics) -> None:
        if row.step >= self._step:
            self._stop.ask()


def divide(order: Sequence[str], steps: int) -> list[Leg]:
    """Legs of equal length; the last one also gets the remainder. Raises `UsageError` for fewer
    than two legs, or more legs than steps."""
    if len(order) < 2:
        raise UsageError("a relay needs two backends or more, such as --order torch jax")
    if steps < len(order):
        raise UsageError(f"steps is {steps}; a relay of {len(order)} legs needs {len(order)}")
    length = steps // len(order)
    starts = [1 + length * i for i in range(len(order))]
    ends = [*(start - 1 for start in starts[1:]), steps]
    return [Leg(*leg) for leg in zip(order, starts, ends, strict=True)]


def train_until(step: int, backend: str, run_path: Path, given: Sequence[str]) -> None:
    """`python -m impls.BACKEND.train --out RUN_PATH GIVEN`, with a Ctrl-C after `step`.

    Raises `UserError` for everything that this command line refuses.
    """
    options, checkpoint = parse_train(
        backend, [f"--out={run_path}", *given], lambda asked: load_trained(backend, asked.out)[0]
    )
    ready = prepare(backend, options, checkpoint)
    model = load_backend(backend).build(ready.config, ready.weights, dtype=options.run.dtype)
    run, stop = RunDirectory(run_path), StopRequest()
    with run.claim(resume=options.run.resume):
        train(
            *(model, ready.data, ready.tokenizer, ready.record, run),
            start=ready.start,
            stop=stop,
            display=StopAfter(step, stop),
        )


def snapshot(run: Path, step: int) -> Snapshot:
    """The state of a run after a step. Raises `CheckpointError` if it cannot be read."""
    checkpoint = load_checkpoint(checkpoint_path(run, step))
    moments = {
        f"{letter} of {name}": value
        for letter, moment in (checkpoint.moments or {}).items()
        for name, value in moment.items()
    }
    rows = read_metrics(RunDirectory(run).metrics)
    losses = {row.step: row.loss for row in rows if row.loss is not None}
    return Snapshot(checkpoint.weights | moments, losses[step])


def apart(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> Difference:
    """The largest difference; infinite if one side lacks something."""
    if lacking := sorted(a.keys() ^ b.keys()):
        return Difference(math.inf, lacking[0])
    return max(Difference(relative_error(a[name], b[name]), name) for name in a)
