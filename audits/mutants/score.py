"""Score checks of your own by the planted bugs that they find.

The checks are a file of tests for pytest. Each takes the fixture `backend`: a GPT as
shared/protocol.py describes it, healthy or with one bug of the catalogue. A check must pass on the
healthy one. Exit status 1 if one fails there, 2 if there is nothing to score.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from audits.mutants.catalogue import CATALOGUE, THEMES
from audits.mutants.judging import SECONDS, Task, time_limit, verdicts_of
from audits.mutants.mutant import HEALTHY
from audits.mutants.plant import plant
from audits.mutants.report import Verdict
from lessons.command import command
from lessons.printing import table_of_numbers
from shared.errors import UserError
from shared.files import explained, write_whole
from shared.protocol import Backend, load_backend

PROGRAM = "nox -s checks --"
EXAMPLE = Path(__file__).with_name("my_checks.py.txt")
"""What a new file begins with."""
ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


@dataclass(frozen=True)
class Options:
    """Your checks."""

    file: Annotated[Positional[Path], arg(metavar="FILE")] = Path("my_checks.py")
    """A file of tests. It is written, with one check as an example, if it is not there."""
    backend: Literal["numpy", "torch", "jax"] = "numpy"
    """The backend to plant the bugs in."""
    missed: int = 5
    """How many of the bugs that you have not found to show."""


@command
def main(options: Options) -> int:
    console = Console(highlight=False)
    file = options.file.expanduser().absolute()
    if not file.exists():
        with explained("write", file):
            write_whole(file, EXAMPLE.read_text(encoding="utf-8"))
        console.print(
            Text(f"{options.file} is written, with one check for a start."), soft_wrap=True
        )
    healthy, *verdicts = judge_all(file, options.backend)
    if healthy.fallen:
        for check, message in healthy.fallen.items():
            told = f"{check} fails on the healthy GPT: {message}"
            console.print(Text(told, "bold red"), soft_wrap=True)
        return 1
    if not healthy.passed:
        raise UserError(f"{options.file} has no tests: functions called test_…")
    console.print(themes(verdicts))
    console.print()
    console.print(checks(healthy.passed, verdicts))
    console.print()
    found = sum(verdict.killed for verdict in verdicts)
    missed = {verdict.mutant for verdict in verdicts if not verdict.killed}
    console.print(Text(f"not found yet: {len(missed)}, among them", "bold"))
    for name in [name for name in CATALOGUE if name in missed][: options.missed]:
        console.print(Text(f"{name}: {CATALOGUE[name].story}"), soft_wrap=True)
    where = f"planted in {options.backend}"
    score = f"{options.file} finds {found} of {len(verdicts)} bugs {where}."
    console.print(Text(score, "bold"), soft_wrap=True)
    return 0


def judge_all(file: Path, backend: str) -> list[Verdict]:
    """The verdicts of the checks on the healthy backend and, if it passes, on every mutant."""
    mutants = [(mutant, backend) for mutant in CATALOGUE.values() if backend in mutant.edits]
    healthy, *verdicts = verdicts_of(partial(judge, file), [(HEALTHY, backend)], 1)
    if healthy.passed and not healthy.fallen:
        verdicts += verdicts_of(partial(judge, file), mutants, 2)
    return [healthy, *verdicts]


def judge(file: Path, directory: Path, task: Task) -> Verdict:
    """Run the checks on one mutant, in this process."""
    mutant, backend = task
    package = plant(mutant, backend, directory)
    verdict = Verdict(mutant.name, backend)
    try:
        planted = load_backend(package)
    except Exception as error:  # a bug may show on import
        verdict.fallen["import"] = f"{type(error).__name__}: {error}"
        return verdict
    watcher = Watcher(planted, verdict)
    quiet = ("-q", "--tb=no", "-p", "no:cacheprovider", "--import-mode=importlib", "--noconftest")
    # Settings of a pytest.ini beside the file could change what fails.
    alone = ("-c", os.devnull, f"--rootdir={file.parent}", "--disable-plugin-autoload")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = pytest.main([*quiet, *alone, str(file)], plugins=[watcher])
    if status not in ENDED:
        verdict.fallen.setdefault(file.name, watcher.trouble or f"pytest ended with {status}")
    return verdict


@dataclass
class Watcher:
    """A pytest plugin: offers the backend, and notes which checks fail on it."""

    planted: Backend
    verdict: Verdict
    trouble: str = ""
    """Why the file could not be read."""

    @pytest.fixture
    def backend(self) -> Backend:
        return self.planted

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble = str(report.longrepr).splitlines()[-1]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        with time_limit(SECONDS):
            return (yield)

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> None:
        if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
            self.verdict.fallen.setdefault(item.name, call.excinfo.exconly().splitlines()[0])
        elif call.when == "call":
            self.verdict.passed.append(item.name)


def themes(verdicts: list[Verdict]) -> Table:
    """How many bugs of each kind were found."""
    killed = {verdict.mutant: verdict.killed for verdict in verdicts}
    table = table_of_numbers("bugs in", "found", "of", box=None, pad_edge=False)
    for theme in THEMES:
        results = [killed[mutant.name] for mutant in theme.mutants if mutant.name in killed]
        if results:
            table.add_row(theme.title.rstrip("."), str(sum(results)), str(len(results)))
    return table


def checks(names: list[str], verdicts: list[Verdict]) -> Table:
    """What each check finds, and what no other check does."""
    table = table_of_numbers("your check", "finds", "alone", box=None, pad_edge=False)
    for name in names:
        found = [verdict for verdict in verdicts if name in verdict.fallen]
        alone = sum(len(verdict.fallen) == 1 for verdict in found)
        table.add_row(Text(name), str(len(found)), str(alone))
    return table


if __name__ == "__main__":
    sys.exit(main())
