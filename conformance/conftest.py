"""Which backends are judged, on what, and the table at the end."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from conformance import cases
from conformance.cases import CASES, Case, random_batch, random_weights
from conformance.judge import Judge, Ledger
from conformance.table import render_table, save_picture
from shared.backend import BACKENDS, Backend, Model, load_backend

LEDGER = pytest.StashKey[Ledger]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend",
        action="append",
        metavar="NAME",
        help="a backend to judge, by name or import path; repeatable (default: numpy torch jax)",
    )
    parser.addoption("--seed", type=int, default=0, help="judge on other weights and batches")
    parser.addoption("--errors-json", metavar="FILE", help="also write the table's numbers")
    parser.addoption("--table-svg", metavar="FILE", help="also draw the final table as a picture")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEDGER] = Ledger()
    cases.base_seed = config.getoption("--seed")
    config.addinivalue_line("markers", "cases(*names): run on these configurations only")
    config.addinivalue_line("markers", "dtypes(*names): run in these precisions only")


def backend_names(config: pytest.Config) -> list[str]:
    return list(dict.fromkeys(config.getoption("--backend") or BACKENDS))


def chosen(metafunc: pytest.Metafunc, marker: str, name: str) -> bool:
    """Whether the test's `cases` or `dtypes` marker, if it has one, names this one."""
    mark = metafunc.definition.get_closest_marker(marker)
    return mark is None or name in mark.args


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`setting` runs over all cases and their precisions, `backend_name` over the backends."""
    if "setting" in metafunc.fixturenames:
        settings = [
            (case, dtype)
            for case in CASES
            for dtype in case.dtypes
            if chosen(metafunc, "cases", case.name) and chosen(metafunc, "dtypes", dtype)
        ]
        ids = [f"{case.name}-{dtype}" for case, dtype in settings]
        metafunc.parametrize("setting", settings, ids=ids, scope="session")
    if "backend_name" in metafunc.fixturenames:
        names = backend_names(metafunc.config)
        metafunc.parametrize("backend_name", names, scope="session")


@pytest.fixture(scope="session")
def backends(request: pytest.FixtureRequest) -> dict[str, Backend]:
    """The backends by name. One that cannot be loaded is an error, never a skip."""
    return {name: load_backend(name) for name in backend_names(request.config)}


@functools.cache
def build(backend: Backend, case: Case, dtype: str, seed: int) -> Model:
    """A model that several tests look at and none changes; `seed` is that of its weights."""
    return backend.build(case.config, random_weights(case), dtype=dtype)


@pytest.fixture
def case(setting: tuple[Case, str]) -> Case:
    return setting[0]


@pytest.fixture
def dtype(setting: tuple[Case, str]) -> str:
    return setting[1]


@pytest.fixture
def models(backends: dict[str, Backend], setting: tuple[Case, str]) -> dict[str, Model]:
    """The same weights in every backend. For looking at: what trains builds its own."""
    return {name: build(backend, *setting, cases.base_seed) for name, backend in backends.items()}


@pytest.fixture
def model(models: dict[str, Model], backend_name: str) -> Model:
    return models[backend_name]


@pytest.fixture
def batch(case: Case) -> tuple[np.ndarray, np.ndarray]:
    return random_batch(case.config)


@pytest.fixture
def judge(request: pytest.FixtureRequest, setting: tuple[Case, str]) -> Judge:
    case, dtype = setting
    return Judge(request.config.stash[LEDGER], case.name, dtype)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The table: checks down, backends across."""
    ledger = config.stash[LEDGER]
    if not ledger.rows:
        return
    table = render_table(ledger, backend_names(config))
    terminalreporter.section("conformance")
    width = terminalreporter._tw.fullwidth
    console = Console(file=terminalreporter._tw._file, width=max(width, 80))
    console.print(table)
    if path := config.getoption("--errors-json"):
        rows = [
            {"check": row.check, "dtype": row.dtype, "limit": row.limit, "errors": row.errors}
            for row in ledger.in_order()
        ]
        Path(path).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if path := config.getoption("--table-svg"):
        save_picture(table, path)
