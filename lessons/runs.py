"""Reading a run for comparison: its metrics, and the text recorded in its checkpoint."""

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.terminal import escape_controls
from shared.errors import RunError
from shared.runs.directory import RunDirectory
from shared.runs.metrics import Metrics, read_metrics
from shared.text.datasets import encode_dataset, load_dataset

UNKNOWN = "?"
FLOOR_KNOWN = "playlets"
"""The dataset whose true probabilities are known."""
_load_once = cache(load_dataset)


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

    def scale(self, *, bits: bool) -> float:
        """The factor from nats per token to the unit of the plot."""
        return 1 / (math.log(2) * self.bytes_per_token) if bits else 1.0

    def losses(self, *, bits: bool) -> dict[int, float]:
        """Validation losses by step."""
        scale = self.scale(bits=bits)
        return {row.step: scale * row.val_loss for row in self.rows if row.val_loss is not None}


def read_run(path: Path) -> Run:
    """Read a run's directory, which is its name in pictures.

    Raises:
        RunError: it holds no run, or one that has measured nothing yet, or its metrics are damaged.
        CheckpointError: its newest checkpoint is damaged.
    """
    directory = RunDirectory(path)
    rows = read_metrics(directory.metrics)
    if not rows:
        raise RunError(f"{path} is not a run: {directory.metrics} has no metrics or is not there")
    lengths = [
        row.val_loss / math.log(2) / row.bits_per_byte
        for row in rows
        if row.val_loss and row.bits_per_byte
    ]
    if not lengths:
        raise RunError(f"{directory.metrics} has no validation loss: there is nothing to compare")
    run = Run(escape_controls(str(path)), rows, lengths[-1])
    newest = newest_checkpoint(path)
    if newest is None:
        return run
    checkpoint = load_checkpoint(newest)
    record, tokenizer = checkpoint.training, checkpoint.tokenizer
    if record is None or tokenizer is None:
        return run
    floor = None
    if record.dataset == FLOOR_KNOWN:
        dataset = _load_once(FLOOR_KNOWN)
        if dataset.sha256 == record.dataset_sha256:
            floor = encode_dataset(dataset, tokenizer, checkpoint.config.block_size).floor
    text = record.dataset_sha256
    return replace(run, dataset=record.dataset, text=text, tokenizer=tokenizer.kind, floor=floor)
