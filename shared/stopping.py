"""Ctrl-C and SIGTERM as a request: the training stops where it can go on from later."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """True once somebody has asked the training to stop."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self) -> None:
        self._asked = True

    def __bool__(self) -> bool:
        return self._asked


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Inside, a signal only sets the request: the step, or the saving, is finished first.

    So a second Ctrl-C does no harm. SIGQUIT (Ctrl-\\) and SIGKILL still end a training at once.
    """
    request = StopRequest()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if not request:
            os.write(2, b"\nstopping: this step is finished and saved first\n")
        request.ask()

    if threading.current_thread() is not threading.main_thread():
        yield request  # Python delivers signals to the main thread only
        return
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
