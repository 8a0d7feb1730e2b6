"""Why training ends before its last step, always where it can resume later.

Ctrl-C, SIGTERM and a closed terminal are requests; limits are set beforehand.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from shared.config import RunLimits
from shared.runs.metrics import Metrics

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""Windows has no SIGHUP."""


class StopRequest:
    """True once the training has been asked to stop."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self) -> None:
        self._asked = True

    def __bool__(self) -> bool:
        return self._asked


def limit_reached(limits: RunLimits, row: Metrics, seconds: float) -> str:
    """The limit that a run has reached with this row after `seconds`; empty if none."""
    val_loss, target = row.val_loss, limits.target_loss
    if val_loss is not None and target is not None and val_loss <= target:
        return f"validation loss {val_loss:.4f}, --target-loss {target:g}"
    if limits.max_seconds is not None and seconds >= limits.max_seconds:
        return f"--max-seconds {limits.max_seconds:g} are over"
    return ""


@contextmanager
def stop_on_signals(announce: bool = True) -> Iterator[StopRequest]:
    """Inside, a signal only sets the request: the current step or save is finished first.

    So a second Ctrl-C does no harm. SIGQUIT (Ctrl-\\) and SIGKILL still end training at once.
    """
    request = StopRequest()

    def handle(_number: int, _frame: FrameType | None) -> None:
        first = not request
        request.ask()
        if first and announce:
            with suppress(OSError):  # the terminal may be what was closed
                os.write(2, b"\nstopping: this step is finished and saved first\n")

    if threading.current_thread() is not threading.main_thread():
        yield request  # Python delivers signals to the main thread only
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
