"""Records the run: durations, failures, the backends at fault, and where each failure begins."""

import pickle
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from conformance.compare import Disagreement
from conformance.judge import Judge
from conformance.ledger import Ledger
from conformance.limits import has_limit
from conformance.locate import Locator, repeat_command
from conformance.panel import Panel


@dataclass(frozen=True)
class Failure:
    """One failed test, for people and for programs."""

    blamed: list[str]
    """The backends at fault; empty if unknown."""
    message: str
    test: str = ""
    """Empty if no test has run: a backend could not be loaded."""
    check: str = ""
    """Empty if the test compares nothing."""
    case: str = ""
    dtype: str = ""
    begins: str = ""
    """The first tap or tensor at which the backends diverge, if known."""
    repeat: str = ""
    """The command that runs just this test."""


class Recorder:
    """The results of one run of the suite."""

    def __init__(self, panel: Panel, named: Sequence[str], seed: int) -> None:
        self.panel, self.named, self.seed = panel, named, seed
        self.began = datetime.now().astimezone()
        self.ledger = Ledger()
        self.locator: Locator | None = Locator(panel)
        """None disables fault location."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """Duration by test function, over all its cases."""
        self.outcomes: Counter[str] = Counter()
        """The number of tests that "passed", "failed", or were "skipped" as not offered."""
        self.collected = 0
        """The number of tests before any were deselected."""
        self.fingerprint = ""
        """Of the sources, at the start, if a report is requested."""
        self.failures: list[Failure] = []
        self.merged = False
        """Whether other processes have sent their results."""
        self.pending: dict[str, list[tuple[str, str]]] = {}
        """The tests that have not run yet, and the rows that each fills."""

    def expect(self, items: Sequence[Any]) -> None:
        """Record the tests that are about to run."""
        for item in items:
            dtype = parameters_of(item).get("setting", (None, "float64"))[1]
            marks = item.iter_markers("fills")
            self.pending[test_of(item)] = [
                (check, dtype) for mark in marks for check in mark.args if has_limit(check, dtype)
            ]

    def found(self) -> bytes:
        """The results of this process, for `merge` in another."""
        found = self.ledger, self.seconds, self.outcomes, self.failures
        return pickle.dumps((*found, self.collected, self.pending))

    def merge(self, found: bytes) -> None:
        """Add the results of another process. Every process expects all tests but runs a part."""
        ledger, seconds, outcomes, failures, collected, pending = pickle.loads(found)
        self.ledger.merge(ledger)
        for test, value in seconds.items():
            self.seconds[test] += value
        self.outcomes += outcomes
        self.failures += failures
        self.collected = max(self.collected, collected)
        if self.merged:
            pending = {test: rows for test, rows in pending.items() if test in self.pending}
        self.pending, self.merged = pending, True

    def close(self) -> None:
        """End the run: a row with tests that did not run has not passed."""
        for rows in self.pending.values():
            for check, dtype in rows:
                self.ledger.row(check, dtype).pending += 1

    def observe(self, item: Any, call: pytest.CallInfo, report: pytest.TestReport) -> None:
        """Record one phase of one test, and make the report of a failure readable."""
        self.pending.pop(test_of(item), None)
        self.seconds[test_of(item).partition("[")[0]] += report.duration
        if report.when == "call" or not report.passed:
            self.outcomes[report.outcome] += 1
        if report.failed and call.excinfo is not None:
            self._fail(item, call.excinfo.value, report)

    def _fail(self, item: Any, error: BaseException, report: pytest.TestReport) -> None:
        parameters = parameters_of(item)
        judge: Judge | None = getattr(item, "funcargs", {}).get("judge")
        case, dtype = parameters.get("setting", (None, ""))
        blamed, check = blame(error, judge, parameters.get("backend_name")), ""
        fills = item.get_closest_marker("fills")
        if isinstance(error, Disagreement):
            check = error.check
        elif fills and case:
            check = fills.args[0]
            for name in fills.args:  # what was never compared has not passed either
                with suppress(KeyError):  # the check has no limit, which is the failure
                    self.ledger.row(name, dtype).fail(blamed or tuple(self.panel.backends))
        begins, sentence = getattr(error, "at", ""), ""
        judged = isinstance(error, Disagreement)
        if check and case and (found := self._begins(check, parameters)):
            if found[0]:
                begins, sentence = found[0], f"begins earlier:\n{textwrap.indent(found[1], '  ')}"
            elif judged:  # that all earlier values agree does not explain an exception
                sentence = found[1]
        message = str(error) if judged else plain(error)
        if sentence:
            message += f"\n{textwrap.indent(sentence, '  ')}"
        repeat = repeat_command(test_of(item), self.named, self.seed)
        place = test_of(item), check, case.name if case else "", dtype
        self.failures.append(Failure(list(blamed), message, *place, begins, repeat))
        if judged and item.config.option.tbstyle == "short":
            report.longrepr = f"{message}\n  repeat:\n    {repeat}"
        else:
            report.sections.append(("conformance", f"{message}\n  repeat:\n    {repeat}"))

    def _begins(self, check: str, parameters: dict[str, Any]) -> tuple[str, str] | None:
        """Where the failure begins, if this can be located: a failing backend may fail here too."""
        if self.locator is None:
            return None
        try:
            shape = parameters.get("B"), parameters.get("T")
            case, dtype = parameters["setting"]
            return self.locator.begins(check, case, dtype, shape)
        except Exception as error:
            return "", f"where it begins cannot be told: {plain(error)}"


def test_of(item: Any) -> str:
    """A test's id, without the group that pytest-xdist appends to it."""
    found = re.fullmatch(r"(.*\]|[^@]*)(@.*)?", str(item.nodeid))  # a backend may have an @
    return found[1] if found else str(item.nodeid)


def parameters_of(item: Any) -> dict[str, Any]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def blame(error: BaseException, judge: Judge | None, backend: str | None) -> tuple[str, ...]:
    """The backends at fault: as judged, or the one being called, or the one under test."""
    if isinstance(error, Disagreement) and error.check:
        return error.culprits
    if judge is not None and judge.asked is not None:
        return (judge.asked,)
    return (backend,) if backend is not None else ()


def plain(error: BaseException) -> str:
    """An exception in one or a few lines."""
    return f"{type(error).__name__}: {error}"
