"""metrics.jsonl: what a run measured, one line for every step."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from shared.errors import RunError
from shared.files import check_regular, explained, replacing


@dataclass(frozen=True)
class Metrics:
    """One line. None where nothing was measured; row 0 is the untrained model."""

    step: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
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
    """Of this update alone, without evaluating and saving."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Metrics)  # refuses NaN, infinity and values of another type
WRONG = (msgspec.MsgspecError, RecursionError)


def read_metrics(path: Path) -> list[Metrics]:
    """The rows of a metrics.jsonl; none if there is no such file.

    A truncated last line is ignored: its writer was killed in the middle of it. Raises `RunError`
    if the file cannot be read, or another line is not a row of metrics."""
    return _parse(path, _read(path)[0])


def keep_metrics(path: Path, last_step: int) -> list[Metrics]:
    """Return the rows up to `last_step`, and remove all others from the file. Raises `RunError`
    as `read_metrics` does, or if the file cannot be written."""
    lines, cut_short = _read(path)
    rows = _parse(path, lines)
    kept = [row for row in rows if row.step <= last_step]
    if len(kept) < len(rows) or cut_short or not path.exists():
        write_metrics(path, kept)
    return kept


def _read(path: Path) -> tuple[bytes, bytes]:
    """The complete lines of the file, and the beginning of a truncated one."""
    if not path.exists():
        return b"", b""
    with explained("read", path):
        check_regular(path)
        lines, newline, cut_short = path.read_bytes().rpartition(b"\n")
        return lines + newline, cut_short


def _parse(path: Path, lines: bytes) -> list[Metrics]:
    try:
        return _decoder.decode_lines(lines)
    except WRONG:
        wrong = (n for n, line in enumerate(lines.split(b"\n"), start=1) if not _is_row(line))
        raise RunError(f"{path}, line {next(wrong, 1)}, is not a row of metrics") from None


def _is_row(line: bytes) -> bool:
    try:
        return not line.strip() or bool(_decoder.decode(line))
    except WRONG:
        return False


def write_metrics(path: Path, rows: Iterable[Metrics]) -> None:
    """Replace the whole file. Raises `RunError` if it cannot be written."""
    with explained("write", path), replacing(path) as file:
        file.write(_encoder.encode_lines(rows))


def append_metrics(path: Path, row: Metrics) -> None:
    """Append one row, which then survives this process. Raises `RunError` if that fails.

    The file is opened for each row, which takes 0.02 ms, so that a directory removed during the run
    is noticed at once.
    """
    with explained("write", path), open(path, "rb+", opener=_no_link) as file:
        file.seek(0, os.SEEK_END)
        file.write(_encoder.encode_lines([row]))


def sync_metrics(path: Path) -> None:
    """Force the rows to disk, before a checkpoint that relies on them."""
    with explained("write", path), open(path, "rb+", opener=_no_link) as file:
        os.fsync(file.fileno())


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))  # Windows has no such flag
