"""Judging: run the conformance suite on one mutant in this process, or on many in parallel."""

import contextlib
import importlib
import io
import math
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any
from unittest.mock import patch

import pytest

from audits.contained import work_off
from audits.mutants import mutant as kinds
from audits.mutants.mutant import HEALTHY, OF_THEMES, Mutant
from audits.mutants.plant import plant
from audits.mutants.report import Verdict, finders
from conformance.cases import DESIGN, FAR, LONG, LONGER, TEETH
from conformance.conftest import QUICK, RECORDER
from conformance.ledger import Ledger
from conformance.recorder import parameters_of
from shared.sources import ROOT

SUITE = ROOT / "conformance"
SECONDS = 10.0
"""Processor time for one check: a mutant may write without end."""

REFERENCE = {"numpy": "torch", "torch": "numpy", "jax": "numpy"}
"""The healthy backend to compare a mutant with: the faster of the other two."""

SETTINGS = {"gpt2-float64", "original-float64", "erf-float64", "nanogpt-float64", "large-float64"}
"""Float64 shows nearly every bug; four configurations have all options, the fifth overflows."""
SETTINGS |= {f"{case.name}-float64" for case in (FAR, LONG, LONGER)}
SINGLE = {f"{name}-float32" for name in ("gpt2", "original", *(case.name for case in TEETH))}
"""Show bugs in float32: common errors, and digits lost by a bad algorithm."""


Wanted = Callable[[str, str], bool]
"""Whether to run a check, in a setting such as gpt2-float64, or "" if it has none."""


@dataclass(frozen=True)
class Stage:
    """A part of the suite, in one process of pytest."""

    wanted: Wanted
    compiles: bool
    """Whether JAX does."""
    first_only: bool
    """Whether it stops at the first check that fails."""
    files: tuple[Path, ...] = (SUITE,)
    """The files of its checks."""


class Watcher:
    """A pytest plugin: runs each check, in either precision, until its first failure."""

    def __init__(self, healthy: tuple[str, ...], stage: Stage) -> None:
        self.healthy, self.stage = healthy, stage
        self.fallen: dict[str, str] = {}
        self.finder = ""
        self.seen: set[tuple[str, bool]] = set()
        self.ran: dict[str, None] = {}
        self.ledger = Ledger()

    def pytest_collection(self, session: pytest.Session) -> None:
        recorder = session.config.stash[RECORDER]
        recorder.locator = None  # only which checks fail matters here
        self.ledger = recorder.ledger

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        accused = [i for i in items if parameters_of(i).get("backend_name") not in self.healthy]
        items[:] = [i for i in accused if self.stage.wanted(check_of(i), setting_of(i))]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if (check_of(item), in_single(item)) in self.seen:
            pytest.skip("one failure is enough")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Any:
        with time_limit(SECONDS):
            return (yield)

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo) -> None:
        skipped = call.excinfo and call.excinfo.errisinstance(pytest.skip.Exception)
        if call.when == "teardown" or skipped:
            return
        check = check_of(item)
        self.ran[check] = None
        if call.excinfo is not None:
            self.finder = self.finder or f"{check}[{setting_of(item)}]"
            self.fallen.setdefault(check, call.excinfo.exconly())
            self.seen.add((check, in_single(item)))
            if self.stage.first_only:
                item.session.shouldstop = "it has fallen"

    def errors_of(self, backend: str) -> dict[str, float]:
        """The backend's largest error in every float64 row with an error above the limit; infinite
        if nothing could be compared."""
        return {
            row.check: error
            for row in self.ledger.in_order()
            if row.dtype == "float64" and backend in row.failed
            if (error := row.errors.get(backend, math.inf)) > row.limit
        }


def in_single(item: pytest.Item) -> bool:
    return setting_of(item).endswith("-float32")


def setting_of(item: pytest.Item) -> str:
    """gpt2-float64; "" for a test that has no setting."""
    case, dtype = parameters_of(item).get("setting", (None, ""))
    return f"{case.name}-{dtype}" if case else ""


def check_of(item: pytest.Item) -> str:
    """test_forward.py::test_taps, without case, precision and backend."""
    return f"{item.path.name}::{getattr(item, 'originalname', None) or item.name}"


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises `TimeoutError` in the block when its CPU time is up. (In the main thread only.)"""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no end after {seconds:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run_suite(watcher: Watcher, *backends: str) -> None:
    """Run the suite silently in this process. A backend that cannot be loaded has failed."""
    options = [
        *("-q", "--tb=no", "--assert=plain", "--disable-plugin-autoload", "-p", "no:cacheprovider"),
        # They collect garbage five times after every run, over all objects of three frameworks.
        *("-p", "no:unraisableexception", "-p", "no:threadexception"),
        f"--rootdir={ROOT}",
        *(f"--backend={backend}" for backend in backends),
    ]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = pytest.main([*map(str, watcher.stage.files), *options], plugins=[watcher])
    ended = status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if not ended and not watcher.fallen:
        watcher.fallen["suite"] = f"pytest ended with status {status}"


def wanted(mutant: Mutant, backend: str) -> Wanted:
    """The checks to run on a mutant, and their settings."""
    chapters, sick = mutant.chapters, mutant.name != HEALTHY.name
    if chapters in (kinds.DROPPING, kinds.PROCESSES):  # the only case with dropout
        return lambda check, setting: check.startswith(chapters) and setting == "dropout-float64"

    design = {f"{case.name}-float64" for case in DESIGN if chapters == kinds.SHAPES}

    def without_other_themes(check: str, setting: str) -> bool:
        if check.startswith(("test_shared_", "test_compiled", "test_processes")):
            return False  # tests of shared/, where no bugs are planted; tests in separate processes
        if sick and check.startswith(OF_THEMES) and not check.startswith(chapters):
            return False
        many_steps = check.startswith("test_training.py")  # hundreds, although one shows the bug
        if many_steps and (chapters, backend) != (kinds.OPTIMIZER, "numpy"):
            return False
        return setting in {"", *SETTINGS, *SINGLE, *design}

    def a_part(check: str, setting: str) -> bool:
        if not check.startswith(chapters):
            return False
        if "finite_differences" in check:  # a hundred losses; test_gradients sees as much
            return False
        repeated = check.startswith("test_causality.py") or check.endswith(("pile_up", "same_loss"))
        many = compiled(chapters) or repeated  # many evaluations: one configuration is enough
        if check.endswith("digits_are_kept"):  # of a size that shows a bad algorithm
            return setting in SINGLE
        if chapters in (kinds.LIFE, kinds.LONG_TEXTS, kinds.SHAPES):
            long = {f"{case.name}-float64" for case in (LONG, LONGER)}
            return setting in {"gpt2-float64", "original-float64", "", *long, *design}
        usual = {"", *SETTINGS, "gpt2-float32"} - {"nanogpt-float64", f"{LONG.name}-float64"}
        return setting in ({"", "gpt2-float64"} if many else usual)

    return a_part if backend == "jax" else without_other_themes


def compiled(chapters: tuple[str, ...]) -> bool:
    """Whether JAX compiles these checks: many calls of one function are worth it. The forward pass
    alone is called once for each shape."""
    return chapters == kinds.ADAPTER or "test_forward" not in chapters


@contextlib.contextmanager
def jax_compiles(answer: bool) -> Iterator[None]:
    """JAX runs line by line in the block, or compiles, and forgets what it compiled after it. (What
    several whole suites compile needs more mappings of memory than Linux allows a process.)"""
    jax = importlib.import_module("jax")  # by name, as all backends are
    jax.config.update("jax_disable_jit", not answer)
    try:
        yield
    finally:
        jax.config.update("jax_disable_jit", False)
        if answer:
            jax.clear_caches()


def stages(mutant: Mutant, backend: str, first: bool = False) -> list[Stage]:
    """The parts of the suite to run on a mutant. One part, with all its checks; or, with `first`,
    until a check fails: the check that found it last time, the chapters of its kind, the rest."""
    whole = Stage(wanted(mutant, backend), compiled(mutant.chapters), first)
    if not first:
        return [whole]
    last = finders().get((mutant.name, backend), "")

    def found_it(check: str, setting: str) -> bool:
        return f"{check}[{setting}]" == last

    parts = [
        replace(whole, files=files_of([last]), wanted=found_it),
        replace(whole, files=files_of(mutant.chapters)),
    ]
    return [*(part for part in parts if part.files), whole]


def files_of(chapters: Sequence[str]) -> tuple[Path, ...]:
    """The files of the suite that these chapters are in."""
    names = {f"{chapter.partition('::')[0].removesuffix('.py')}.py" for chapter in chapters}
    return tuple(sorted(path for path in SUITE.rglob("test_*.py") if path.name in names))


def judge(
    mutant: Mutant, backend: str, directory: Path, beside: tuple[str, ...] = (), first: bool = False
) -> Verdict:
    """Plant a mutant under `directory` and let the suite judge it; if `first`, until a check fails.
    It is compared with the healthy backends `beside`, by default the fastest; with two of them, the
    suite can name the backend that is wrong."""
    healthy = beside or (REFERENCE[backend],)
    package = plant(mutant, backend, directory)
    verdict = Verdict(mutant.name, backend)
    for stage in stages(mutant, "jax" if "jax" in healthy else backend, first):
        watcher = Watcher(healthy, stage)
        with contextlib.ExitStack() as stack:
            if "jax" in (*healthy, backend):
                stack.enter_context(jax_compiles(stage.compiles))
            run_suite(watcher, *healthy, package)
        verdict.fallen |= watcher.fallen
        verdict.finder = verdict.finder or watcher.finder
        verdict.passed += [check for check in watcher.ran if check not in watcher.fallen]
        verdict.errors |= watcher.errors_of(package)
        if verdict.fallen:
            break
    return verdict


# Many of them

Task = tuple[Mutant, str]
"""A mutant, and the name of a backend."""

ENVIRONMENT = {  # of the processes
    # On matrices this small, threads only wait for each other.
    **{"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"},
    # Compiled code runs only a few times: optimizing it costs more than it saves.
    "XLA_FLAGS": QUICK,
}


def judge_all(tasks: list[Task], processes: int = 2, first: bool = False) -> Iterator[Verdict]:
    """The verdicts, as they come; if `first`, with only the first check that fails."""
    return verdicts_of(partial(judge_task, first), tasks, processes)


def verdicts_of(
    judging: Callable[[Path, Task], Verdict], tasks: list[Task], processes: int
) -> Iterator[Verdict]:
    """What `judging` says of every task, in a directory to plant in. A mutant that hangs for two
    minutes or crashes its process counts as killed."""
    with TemporaryDirectory(prefix="mutants-") as directory, patch.dict(os.environ, ENVIRONMENT):
        work = partial(judging, Path(directory))
        for (mutant, backend), found in work_off(work, tasks, 120.0, processes):
            if isinstance(found, str):
                found = Verdict(mutant.name, backend, {"process": found})
            yield found


def judge_task(first: bool, directory: Path, task: Task) -> Verdict:
    """Judge a mutant in one of the processes. If the judge fails, the mutant has survived."""
    try:
        return judge(*task, directory / str(os.getpid()), first=first)
    except Exception:
        traceback.print_exc()
        return Verdict(task[0].name, task[1])
