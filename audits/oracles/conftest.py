"""Chooses the backends to judge, and prints the largest errors at the end."""

import os
from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

# Before it is imported: an oracle reads local files and never the network.
os.environ["HF_HUB_OFFLINE"] = "1"

from audits.oracles.verdict import ERRORS, LIMIT
from shared.protocol import BACKENDS, Backend, load_backend


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "a backend to judge, by name or import path; repeatable (default: numpy torch jax)"
    parser.addoption("--backend", action="append", metavar="NAME", help=about)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The products are small: the threads of three libraries would only wait for each other."""
    with threadpool_limits(limits=1):
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend_name" in metafunc.fixturenames:
        names = dict.fromkeys(metafunc.config.getoption("--backend") or BACKENDS)
        metafunc.parametrize("backend_name", list(names), scope="session")


@pytest.fixture(scope="session")
def backend(backend_name: str) -> Backend:
    """The backend under test. One that cannot be loaded is an error, never a skip."""
    return load_backend(backend_name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for every check: its largest error by backend."""
    if not ERRORS:
        return
    terminalreporter.section(f"largest relative errors (limit {LIMIT:.0e} in float64)")
    for check in dict.fromkeys(check for check, _ in ERRORS):
        values = [f"{name} {e:.1e}" for (key, name), e in ERRORS.items() if key == check]
        terminalreporter.write_line(f"{check:<55} {'  '.join(values)}")
