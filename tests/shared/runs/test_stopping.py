"""Requests to stop a training: unchanged handlers outside, none needed in another thread."""

import signal
from concurrent.futures import ThreadPoolExecutor

from shared.runs.stopping import stop_on_signals


def asked_to_stop() -> bool:
    with stop_on_signals() as stop:
        return bool(stop)


def test_signals_are_handled_as_before_outside_of_a_training():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert not asked_to_stop()
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_training_works_outside_the_main_thread():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked_to_stop).result() is False
