"""metrics.jsonl: what a run measured, one line for every step."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from shared.errors import RunError
from shared.files import explained, replacing


@dataclass(frozen=True)
class Metrics:
    """One line. None where there is nothing to tell: row 0 is the untrained model."""

    step: int
    """Updates done so far."""
    loss: float | None = None
    """Mean loss of this update's batch, before the update, in nats per token."""
    val_loss: float | None = None
    """Mean loss over the whole validation split after this update, where it was evaluated."""
    bits_per_byte: float | None = None
    """The same in bits per byte of text, which is comparable across tokenizers."""
    learning_rate: float | None = None
    """The learning rate of this update."""
    grad_norm: float | None = None
    """Global norm of the gradient, before clipping."""
    tokens_per_second: float | None = None
    """Of this update alone: evaluating and saving are not counted."""


def read_metrics(path: Path) -> list[Metrics]:
    """The rows of a metrics.jsonl; none where there is no such file.

    A last line that was cut short is left out: its writer was killed in the middle of it.

    Raises:
        RunError: the file cannot be read, or another line is not a row of metrics.
    """
    if not path.exists():
        return []
    with explained("read", path):
        *lines, _cut_short = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(Metrics(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise RunError(f"{path}, line {number}, is not a row of metrics") from error
    return rows


def write_metrics(path: Path, rows: Iterable[Metrics]) -> None:
    """Replace the whole file. Raises `RunError` where it cannot be written."""
    with explained("write", path), replacing(path) as partial:
        partial.write_text("".join(map(_line, rows)), encoding="utf-8")


def append_metrics(path: Path, row: Metrics) -> None:
    """Add one row, which then outlives this process. Raises `RunError` where it cannot.

    The file is opened for each row, 0.02 ms, so that a directory that was removed during the run is
    noticed at once.
    """
    with explained("write", path), path.open("r+", encoding="utf-8") as file:
        file.seek(0, os.SEEK_END)
        file.write(_line(row))


def sync_metrics(path: Path) -> None:
    """Make the rows outlive the machine, too: called before a checkpoint that counts on them."""
    with explained("write", path), path.open("rb+") as file:
        os.fsync(file.fileno())


def _line(row: Metrics) -> str:
    return json.dumps(asdict(row), allow_nan=False) + "\n"
