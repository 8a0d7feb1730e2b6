"""Options, fixtures and hooks of the suite: backends, cases, order of the tests, final table."""

import importlib.metadata
import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from threadpoolctl import threadpool_limits

from conformance import cases, gate
from conformance.cases import BOTH, CASES, Case, batch_of, find_case
from conformance.judge import Judge
from conformance.limits import has_limit
from conformance.panel import Panel, available_modes, judged
from conformance.recorder import Failure, Recorder, parameters_of
from conformance.reporting.report import report_of, write_report
from conformance.reporting.table import render_table, save_picture
from conformance.subject import Backends, Models, Subject
from shared.protocol import Backend, Model, load_backend

Setting = tuple[Case, str]
RECORDER = pytest.StashKey[Recorder]()

BACKEND_HELP = """a backend to judge: numpy, torch, jax, or the import path of your own;
repeatable. Your own is judged together with the three: --backend my_package.my_gpt. Built-in ones
that are named stand for the three: --backend numpy --backend torch. A mode or a device is a column,
too: --backend torch@compile, torch@bf16, torch@cuda, jax@nojit. What one does not claim
(shared/protocol.py) is reported as not offered."""


# Code that JAX compiles here runs only a few times, on small arrays: optimizing it took three
# quarters of the suite's time. test_compiled.py judges a model compiled as in training. (The flags
# are those of the tested version: jaxlib aborts the process on an unknown one.)
QUICK = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
with suppress(importlib.metadata.PackageNotFoundError):
    if importlib.metadata.version("jaxlib") == "0.10.2":
        os.environ.setdefault("XLA_FLAGS", QUICK)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", action="append", default=[], metavar="NAME", help=BACKEND_HELP)
    parser.addoption(
        "--modes", action="store_true", help="also every mode and device that this machine has"
    )
    parser.addoption("--seed", type=int, default=0, help="judge on other weights and batches")
    parser.addoption(
        "--report", metavar="DIR", help="write DIR/conformance.json and DIR/conformance.html"
    )
    parser.addoption("--large", action="store_true", help="also the chapter of real sizes")
    parser.addoption("--table-svg", metavar="FILE", help="also draw the final table as a picture")


def pytest_configure(config: pytest.Config) -> None:
    cases.base_seed = config.getoption("--seed")
    for marker in (
        "cases(*names): run on these configurations only",
        "dtypes(*names): run in these precisions only",
        "needs(*capabilities): only for backends that claim them",
        "large(backend, ...): only with --large; if backends are named, for these alone",
        "xdist_group(name): tests that pytest-xdist keeps in one process",
        "fills(*checks): the rows of the table that the test writes to",
    ):
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(trylast=True)  # meanwhile, pytest-xdist's workers import the frameworks
def pytest_sessionstart(session: pytest.Session) -> None:
    """Load the backends. A backend that cannot be loaded is an error, never a skip."""
    config = session.config
    if config.option.collectonly:
        return
    if config.getoption("--modes"):
        config.option.backend += available_modes()
    named, loaded = config.getoption("--backend"), dict[str, Backend]()
    recorder = Recorder(Panel(loaded), named, cases.base_seed)
    if directory := config.getoption("--report"):  # at the start: later edits are not judged
        recorder.fingerprint = gate.fingerprint()
    for name in judged(named):
        try:
            loaded[name] = load_backend(name)
        except Exception as error:  # an unknown module may raise anything on import
            recorder.failures.append(Failure(blamed=[name], message=str(error)))
            if directory:
                write_report(report_of(recorder, config, exitstatus=1), Path(directory))
            raise pytest.UsageError(f"{name} cannot be judged: {error}") from error
    config.stash[RECORDER] = recorder
    # The matrices are about 24 × 24: with more threads, the thread pools of three libraries would
    # mostly wait for each other. On busy cores that makes the suite many times slower.
    limits = threadpool_limits(limits=1)
    config.add_cleanup(limits.restore_original_limits)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`setting` runs over all cases and their precisions, `backend_name` over the backends."""
    if "setting" in metafunc.fixturenames:
        named = metafunc.definition.get_closest_marker("cases")
        dtypes = metafunc.definition.get_closest_marker("dtypes")
        recorder = metafunc.config.stash.get(RECORDER, None)  # None: the tests are only listed
        more = recorder.panel.more_precisions() if recorder else ()
        settings = [
            (case, dtype)
            for case in (map(find_case, named.args) if named else CASES)
            for dtype in (*case.dtypes, *(more if case.dtypes == BOTH else ()))
            if dtypes is None or dtype in dtypes.args
        ]
        ids = [f"{case.name}-{dtype}" for case, dtype in settings]
        metafunc.parametrize("setting", settings, ids=ids, scope="session")
    if "backend_name" in metafunc.fixturenames:
        names = judged(metafunc.config.getoption("--backend"))
        metafunc.parametrize("backend_name", names, scope="session")


ORDER = ("forward", "softmax", "causality", "loss", "gradients", "shapes", "optimizers", "life")
"""Chapters run in this order, then the rest, so that a fault is first reported at its origin."""


def is_large(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("large")
    backend = parameters_of(item).get("backend_name", "").partition("@")[0]
    return mark is not None and (not mark.args or backend.endswith(mark.args))


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator:
    """Deselect large tests unless requested, group tests by case, and order the chapters."""
    if not config.getoption("--large"):
        items[:] = [item for item in items if not is_large(item)]
    recorder = config.stash.get(RECORDER, None)
    if recorder:  # no backend has to offer bfloat16: deselect it instead of reporting a gap
        extra = recorder.panel.beyond
        items[:] = [item for item in items if not extra(**parameters_of(item))]
    for item in items:  # with pytest-xdist, JAX then compiles each case in only one process
        case = parameters_of(item).get("setting", (None,))[0]
        item.add_marker(pytest.mark.xdist_group(case.name if case else item.path.stem))
    if recorder:
        recorder.collected = len(items)
    yield  # sort after -k and others deselect, and after pytest regroups tests by parameter
    first = {f"test_{chapter}": place for place, chapter in enumerate(ORDER)}
    items.sort(key=lambda item: first.get(item.path.stem, len(first)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist, send the results."""
    recorder = session.config.stash.get(RECORDER, None)
    if recorder and hasattr(session.config, "workeroutput"):
        session.config.workeroutput["conformance"] = recorder.found()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Receive a worker's results. If it died, they are missing, and its rows do not pass."""
    if found := getattr(node, "workeroutput", {}).get("conformance"):
        node.config.stash[RECORDER].merge(found)


def pytest_collection_finish(session: pytest.Session) -> None:
    if recorder := session.config.stash.get(RECORDER, None):
        recorder.expect(session.items)


@pytest.fixture
def recorder(request: pytest.FixtureRequest) -> Recorder:
    return request.config.stash[RECORDER]


@pytest.fixture(autouse=True)
def not_offered(request: pytest.FixtureRequest, recorder: Recorder) -> set[str]:
    """The backends that do not claim a capability of the test. They are left out; if nothing is
    left to compare, the test is skipped, which does not count as passed."""
    needs = {need for mark in request.node.iter_markers("needs") for need in mark.args}
    parameters = parameters_of(request.node)
    case, dtype = parameters.get("setting", (None, "float64"))
    lacking = recorder.panel.lacking(needs, dtype, case)
    name = parameters.get("backend_name")
    least = 1 if dtype in recorder.panel.more_precisions() else 2  # judged by the others' float64
    alone = len(recorder.panel.backends) - len(lacking) < least
    if lacking and (name in lacking or (name is None and alone)):
        for mark in request.node.iter_markers("fills"):
            for check in filter(lambda check: has_limit(check, dtype), mark.args):
                recorder.ledger.row(check, dtype).not_offered |= lacking
        wanted = ", ".join([*sorted(needs), dtype])
        pytest.skip(f"{', '.join(sorted(lacking))}: {wanted} not offered")
    return lacking


@pytest.fixture
def backends(recorder: Recorder, not_offered: set[str]) -> Backends:
    """The backends by name, without those that lack a capability of the test."""
    everyone = recorder.panel.backends
    return {name: backend for name, backend in everyone.items() if name not in not_offered}


@pytest.fixture
def case(setting: Setting) -> Case:
    return setting[0]


@pytest.fixture
def dtype(setting: Setting) -> str:
    return setting[1]


@pytest.fixture
def models(backends: Backends, recorder: Recorder, setting: Setting) -> Models:
    """The same weights in every backend. Read-only: tests that train build their own."""
    return {name: recorder.panel.model(name, *setting) for name in backends}


@pytest.fixture
def truthful(backends: Backends, recorder: Recorder, setting: Setting) -> Models:
    """For a lower precision, float64 models of the same weights, to judge the results. If no
    backend under test has float64, as with bfloat16, those of all other backends."""
    case, dtype = setting
    if dtype == "float64":
        return {}
    precise = set(recorder.panel.backends) - recorder.panel.lacking((), "float64")
    able = precise & set(backends) or precise
    return {name: recorder.panel.model(name, case, "float64", truthful=True) for name in able}


@pytest.fixture
def model(recorder: Recorder, setting: Setting, backend_name: str) -> Model:
    return recorder.panel.model(backend_name, *setting)


@pytest.fixture
def batch(case: Case) -> tuple[np.ndarray, np.ndarray]:
    return batch_of(case)


@pytest.fixture
def judge(recorder: Recorder, setting: Setting, not_offered: set[str]) -> Judge:
    case, dtype = setting
    return Judge(recorder.ledger, case.name, dtype, not_offered, case.condition)


@pytest.fixture
def subject(recorder: Recorder, setting: Setting, backend_name: str, judge: Judge) -> Subject:
    return Subject(backend_name, *setting, judge, recorder.panel)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record the result, and report it briefly. Respects `--tb`."""
    style = item.config.option.tbstyle
    item.config.option.tbstyle = "short" if style == "auto" else style
    try:
        report = yield
        item.config.stash[RECORDER].observe(item, call, report)
    finally:
        item.config.option.tbstyle = style
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print the table, checks down, backends across, and write the reports."""
    recorder = config.stash.get(RECORDER, None)
    if recorder is None:
        return
    recorder.close()
    if recorder.pending:
        total = len(recorder.pending) + sum(recorder.outcomes.values())
        terminalreporter.section("cut short")
        missing = f"{len(recorder.pending)} of {total} tests have not run"
        terminalreporter.write_line(f"{missing}; rows marked … lack some of theirs")
    if recorder.ledger.rows:
        table = render_table(recorder.ledger, list(recorder.panel.backends), recorder.outcomes)
        terminalreporter.section("conformance")
        width = max(terminalreporter._tw.fullwidth, 80)
        Console(file=terminalreporter._tw._file, width=width).print(table)
        if path := config.getoption("--table-svg"):
            save_picture(table, path)
    if directory := config.getoption("--report"):
        for path in write_report(report_of(recorder, config, exitstatus), Path(directory)):
            terminalreporter.write_line(f"report: {path}")
