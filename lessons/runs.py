"""Reading a run for comparison: its metrics, and the text recorded in its checkpoint."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path

from shared.checkpoints.checkpoint import TrainingRecord, load_checkpoint, newest_checkpoint
from shared.commands.options import UsageError
from shared.commands.terminal import escape_controls
from shared.errors import RunError
from shared.runs.directory import RunDirectory
from shared.runs.metrics import Metrics, read_metrics
from shared.text.datasets import Dataset, encode_dataset, load_dataset

UNKNOWN = "?"
FLOOR_KNOWN = "playlets"
"""The dataset whose true probabilities are known."""


@dataclass(frozen=True)
class Run:
    """A run with metrics, under its name in a picture."""

    label: str
    rows: list[Metrics]
    bytes_per_token: float
    """Mean length of a validation token, to convert nats per token into bits per byte."""
    dataset: str = UNKNOWN
    """Its name or path. Unknown, like all that follows, until the run has saved a checkpoint."""
    text: str | None = None
    """The sha256 of the text."""
    tokenizer: str = UNKNOWN
    """Its kind."""
    floor: float | None = None
    """The best possible validation loss in nats per token; None if unknown."""


def read_run(path: Path, label: str) -> Run:
    """Read a run's directory.

    Raises:
        RunError: it holds no run, or one that has measured nothing yet, or its metrics are damaged.
        CheckpointError: its newest checkpoint is damaged.
    """
    directory = RunDirectory(path)
    rows = read_metrics(directory.metrics)
    if not rows:
        raise RunError(f"{path} is not a run: {_why_not(directory)}")
    for number, row in enumerate(rows, start=1):
        if not _is_sound(row):
            raise RunError(f"{directory.metrics}, line {number}, is not a row of metrics")
    lengths = [
        row.val_loss / math.log(2) / row.bits_per_byte
        for row in rows
        if row.val_loss and row.bits_per_byte
    ]
    if not lengths:
        raise RunError(f"{directory.metrics} has no validation loss: there is nothing to compare")
    newest = newest_checkpoint(path)
    if newest is None:
        return Run(label, rows, lengths[-1])
    checkpoint = load_checkpoint(newest)
    record, tokenizer = checkpoint.training, checkpoint.tokenizer
    if record is None or tokenizer is None:
        return Run(label, rows, lengths[-1])
    floor = None
    if dataset := _known_dataset(record):
        floor = encode_dataset(dataset, tokenizer, checkpoint.config.block_size).floor
    return Run(
        *(label, rows, lengths[-1], record.dataset, record.dataset_sha256, tokenizer.kind, floor)
    )


def label_runs(paths: Sequence[Path]) -> list[str]:
    """A distinct name for every run: the end of its path, as much as needed.

    Raises `UsageError` if a run is named twice.
    """
    whole = [path.resolve() for path in paths]
    for i, path in enumerate(whole):
        if path in whole[:i]:
            raise UsageError(f"{paths[i]} is named twice")
    for length in range(1, max(len(path.parts) for path in whole) + 1):
        labels = ["/".join(path.parts[-length:]) for path in whole]
        if len(set(labels)) == len(labels):
            break
    # matplotlib omits labels that begin with _ from its legends.
    return [escape_controls(f"./{text}" if text.startswith("_") else text) for text in labels]


def _why_not(run: RunDirectory) -> str:
    if not run.path.exists():
        return "there is no such directory"
    if not run.path.is_dir():
        return "it is a file, and a run is a directory"
    return f"it has no {run.metrics.name}" if not run.metrics.exists() else "nothing is measured"


def _is_sound(row: Metrics) -> bool:
    """Whether the numbers are numbers: the file may have been edited."""
    step, *values = astuple(row)
    return type(step) is int and all(
        value is None or (isinstance(value, int | float) and math.isfinite(value))
        for value in values
    )


def _known_dataset(record: TrainingRecord) -> Dataset | None:
    """The text of a run, if its floor is known and it has not changed."""
    if record.dataset != FLOOR_KNOWN:
        return None
    dataset = _load_once(record.dataset)  # several runs may be of it
    return dataset if dataset.sha256 == record.dataset_sha256 else None


_load_once = cache(load_dataset)
