"""Fixtures and hooks for all tests of shared/."""

from collections.abc import Generator

import pytest


@pytest.fixture(autouse=True)
def do_not_wait_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """The message of any failure begins with the file at fault."""
    __tracebackhide__ = True
    (file,) = pyfuncitem.get_closest_marker("fault_in").args
    try:
        return (yield)
    except AssertionError as error:
        error.args = (f"{file}: {error}",)
        raise
    except pytest.fail.Exception as error:  # `pytest.raises` saw no error
        raise AssertionError(f"{file}: {error}") from None
    except Exception as error:
        raise AssertionError(f"{file}: {type(error).__name__}: {error}") from error
