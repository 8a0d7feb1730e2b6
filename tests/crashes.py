"""Crashes at a chosen call of functions that change the disk."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest


class Crash(BaseException):
    """Stands in for SIGKILL, so that the test can inspect the disk afterwards."""


def fail(
    patch: pytest.MonkeyPatch, error: Any, fails: Callable[[int], bool], *functions: tuple[Any, str]
) -> None:
    """Raise at each call of these functions for whose number `fails` is true."""
    calls = itertools.count()

    def failing(function: Callable) -> Callable:
        def call(*args: object, **kwargs: object) -> object:
            if fails(next(calls)):
                raise error
            return function(*args, **kwargs)

        return call

    for owner, name in functions:
        patch.setattr(owner, name, failing(getattr(owner, name)))
