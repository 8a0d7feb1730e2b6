"""Signals: requests to stop while a training runs, and unchanged handlers outside."""

import os
import signal
import threading

from shared.runs.stopping import stop_on_signals


def test_signals_are_requests_inside_and_as_before_outside():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for number in (signal.SIGINT, signal.SIGTERM):
        with stop_on_signals() as stop:
            assert not stop
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # an impatient second one changes nothing
            assert stop
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_training_works_outside_the_main_thread():
    seen = []

    def work() -> None:
        with stop_on_signals() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
