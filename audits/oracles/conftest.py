"""Chooses the backends to judge."""

import os
from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

# Before it is imported: an oracle reads local files and never the network.
os.environ["HF_HUB_OFFLINE"] = "1"

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
