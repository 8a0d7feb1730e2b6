"""metrics.jsonl: what a run measured, one line for every step."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import Any

from shared.errors import RunError
from shared.files import check_regular, explained, write_whole


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


NAMES = {field.name for field in fields(Metrics)}


def read_metrics(path: Path) -> list[Metrics]:
    """The rows of a metrics.jsonl; none where there is no such file.

    A last line that was cut short is left out: its writer was killed in the middle of it.

    Raises:
        RunError: the file cannot be read, or another line is not a row of metrics.
    """
    return _parse(path, _read_lines(path)[:-1])


def keep_metrics(path: Path, last_step: int) -> list[Metrics]:
    """The rows up to `last_step`; all others are removed from the file.

    Raises:
        RunError: as `read_metrics`, or the file cannot be written.
    """
    *lines, cut_short = _read_lines(path)
    rows = _parse(path, lines)
    kept = [row for row in rows if row.step <= last_step]
    if len(kept) < len(rows) or cut_short or not path.exists():
        write_metrics(path, kept)
    return kept


def _read_lines(path: Path) -> list[str]:
    if not path.exists():
        return [""]
    with explained("read", path):
        check_regular(path)
        return path.read_bytes().decode(errors="replace").split("\n")


def _parse(path: Path, lines: list[str]) -> list[Metrics]:
    decode = json.JSONDecoder().decode  # json.loads would look for its options a million times
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            table = decode(line)
        except (ValueError, RecursionError):
            table = None
        if not _is_row(table):
            raise RunError(f"{path}, line {number}, is not a row of metrics")
        rows.append(Metrics(**table))
    return rows


def _is_row(table: Any) -> bool:
    """Whether a JSON value is an object of `Metrics` fields, each None or a finite number."""
    return (
        type(table) is dict
        and table.keys() <= NAMES
        and type(table.get("step")) is int
        and 0 <= table["step"] < 2**63
        and all(v is None or (type(v) in (float, int) and -inf < v < inf) for v in table.values())
    )


def write_metrics(path: Path, rows: Iterable[Metrics]) -> None:
    """Replace the whole file. Raises `RunError` where it cannot be written."""
    with explained("write", path):
        write_whole(path, "".join(map(_line, rows)))


def append_metrics(path: Path, row: Metrics) -> None:
    """Add one row, which then outlives this process. Raises `RunError` where it cannot.

    The file is opened for each row, 0.02 ms, so that a directory that was removed during the run is
    noticed at once.
    """
    with explained("write", path), open(path, "rb+", opener=_no_link) as file:
        file.seek(0, os.SEEK_END)
        file.write(_line(row).encode())


def sync_metrics(path: Path) -> None:
    """Make the rows outlive the machine, too: called before a checkpoint that counts on them."""
    with explained("write", path), open(path, "rb+", opener=_no_link) as file:
        os.fsync(file.fileno())


def _line(row: Metrics) -> str:
    return json.dumps(vars(row), allow_nan=False) + "\n"


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))  # Windows has no such flag
