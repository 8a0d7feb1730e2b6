"""Training progress on standard error: a bar on a terminal, plain lines elsewhere."""

import statistics
import sys
import time
from collections import deque
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shared.runs.metrics import Metrics

LINES = 10
"""The minimum number of plain lines, whether or not anything is evaluated."""
PATIENCE, PAUSE = 2.0, 10.0
"""Seconds of a validation before the first plain line about it, and between further ones."""


class ProgressDisplay(AbstractContextManager["ProgressDisplay"]):
    """Receives each row of metrics; this base class shows nothing."""

    def update(self, row: Metrics) -> None:
        """Step `row.step` is done."""

    def validating(self, done: int, total: int) -> None:
        """A validation has read `done` tokens of `total`."""

    def __exit__(self, *error: object) -> None:
        """Restore the terminal."""


class _RecentSpeed:
    """Tokens per second: the median of recent steps, which is steadier than one step's."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=50)

    def update(self, row: Metrics) -> float | None:
        if row.tokens_per_second is not None:
            self._recent.append(row.tokens_per_second)
        return statistics.median(self._recent) if self._recent else None


class PlainLines(ProgressDisplay):
    """A line for every evaluation, and for every tenth of the steps.

    step  500/2000  loss 1.9912  val 2.0134  9,800 tokens/s  0:00:41 left
    """

    def __init__(self, start: int, steps: int) -> None:
        self._start, self._steps = start, steps
        self._began: float | None = None
        self._speed = _RecentSpeed()
        self._next_line: float | None = None

    def validating(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._next_line is None:
            self._next_line = now + PATIENCE
        if done < total and now >= self._next_line:
            print(f"validating: {done:,} of {total:,} tokens", file=sys.stderr, flush=True)
            self._next_line = now + PAUSE
        if done >= total:
            self._next_line = None

    def update(self, row: Metrics) -> None:
        speed = self._speed.update(row)
        if self._began is None and row.step > self._start:
            self._began, self._start = time.monotonic(), row.step  # the first step may compile
        if row.val_loss is None and row.step % max(1, self._steps // LINES):
            return
        parts = [f"step {row.step:>{len(str(self._steps))}}/{self._steps}"]
        if row.loss is not None:
            parts.append(f"loss {row.loss:.4f}")
        if row.val_loss is not None:
            parts.append(f"val {row.val_loss:.4f}")
        if speed is not None:
            parts.append(f"{speed:,.0f} tokens/s")
        if self._began is not None and row.step > self._start:
            per_step = (time.monotonic() - self._began) / (row.step - self._start)
            parts.append(f"{timedelta(seconds=round(per_step * (self._steps - row.step)))} left")
        print("  ".join(parts), file=sys.stderr, flush=True)


class Bar(ProgressDisplay):
    def __init__(self, start: int, steps: int) -> None:
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("loss {task.fields[loss]}  val {task.fields[val]}  {task.fields[speed]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(
            "training", total=steps, completed=start, loss="…", val="…", speed="… tokens/s"
        )
        self._speed = _RecentSpeed()
        self._bar.start()

    def validating(self, done: int, total: int) -> None:
        self._bar.update(self._task, val=f"at {done / total:.0%}")

    def update(self, row: Metrics) -> None:
        shown: dict[str, Any] = {}
        if row.loss is not None:
            shown["loss"] = f"{row.loss:.4f}"
        if row.val_loss is not None:
            shown["val"] = f"{row.val_loss:.4f}"
        if (speed := self._speed.update(row)) is not None:
            shown["speed"] = f"{speed:,.0f} tokens/s"
        self._bar.update(self._task, completed=row.step, **shown)

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def progress_display(start: int, steps: int) -> ProgressDisplay:
    """A bar if standard error is a terminal, otherwise plain lines."""
    return Bar(start, steps) if sys.stderr.isatty() else PlainLines(start, steps)
