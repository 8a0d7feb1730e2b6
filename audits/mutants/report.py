"""The verdicts on all mutants: those of the last run, in build/mutants.json, with a hash of the
sources; and those that were stored with the sources, in audits/mutants.json. The pages of the site
show the former where they are up to date, or else the latter. And how many of the bugs would pass
at the limits of other suites.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from audits.mutants.catalogue import TASKS
from conformance import gate
from conformance.limits import EXACT
from shared.files import explained, write_whole
from shared.sources import ROOT

REPORT = gate.STAMP.with_name("mutants.json")
STORED = ROOT / "audits" / "mutants.json"
COVERED = (*gate.COVERED, "audits/mutants")
"""Files and directories that can affect which checks kill a mutant."""

LIMITS = {
    "CS336 of Stanford, and llm.c in bfloat16": 1e-2,
    "ONNX's backend tests": 1e-3,
    "keras-hub": 1e-4,
    "Hugging Face's model tests": 1e-5,
}
"""The limits of other suites, taken as relative ones, as most values here are about 1."""


@dataclass
class Verdict:
    """The result of the suite for one mutant in one backend."""

    mutant: str
    backend: str
    fallen: dict[str, str] = field(default_factory=dict)
    """Check (file::function): the message of its first failure."""
    passed: list[str] = field(default_factory=list)
    """Checks that ran and did not fail."""
    errors: dict[str, float] = field(default_factory=dict)
    """By row of the conformance table: the largest float64 error, if it is above the limit;
    infinite if nothing could be compared."""
    finder: str = ""
    """The first check that failed, and in what setting: file::function[setting]."""

    @property
    def killed(self) -> bool:
        return bool(self.fallen)


@dataclass(frozen=True)
class Report:
    """Verdicts, and a hash of what was judged."""

    fingerprint: str
    verdicts: list[Verdict]

    @property
    def stale(self) -> bool:
        """The sources have changed since. (Those of what is stored with them are not compared.)"""
        return self.fingerprint not in (fingerprint(), "")


def fingerprint() -> str:
    """A hash of everything that decides which checks fail: sources and installed versions."""
    return gate.fingerprint(ROOT, COVERED)


def write_report(current: str, verdicts: Sequence[Verdict], *, remember: bool = False) -> None:
    """Write build/mutants.json, and with `remember` audits/mutants.json. Earlier verdicts are kept
    (in build/ those on the same sources), so that judging one mutant does not discard all others.
    Raises `RunError` if a file cannot be written."""
    for path, of in ((REPORT, current), (STORED, ""))[: 1 + remember]:
        known = _read(path)
        kept = known.verdicts if known is not None and known.fingerprint == of else []
        kept = [v for v in kept if (v.mutant, v.backend) in TASKS]
        merged = {(v.mutant, v.backend): v for v in [*kept, *verdicts]}
        checks = sorted({check for v in merged.values() for check in (*v.fallen, *v.passed)})
        rows = {f"{v.mutant} in {v.backend}": _row(v, checks) for v in merged.values()}
        content = {"fingerprint": of, "checks": checks, "verdicts": rows}
        with explained("write", path):
            path.parent.mkdir(exist_ok=True)
            write_whole(path, json.dumps(content, indent=0) + "\n")


def _row(verdict: Verdict, checks: Sequence[str]) -> tuple[str, str, dict[str, float]]:
    """For every check ×, if it fell, or ·, if it passed; then the finder, and the errors."""
    marks = dict.fromkeys(verdict.passed, "·") | dict.fromkeys(verdict.fallen, "×")
    errors = {row: float(f"{error:.1e}") for row, error in verdict.errors.items()}
    return "".join(marks.get(check, " ") for check in checks), verdict.finder, errors


def read_report() -> Report | None:
    """The stored verdicts, or those of the last run if it is of these sources; None without any."""
    last, stored = _read(REPORT), _read(STORED)
    if last is None or stored is None or last.stale:
        return stored or last
    merged = {(v.mutant, v.backend): v for v in [*stored.verdicts, *last.verdicts]}
    return Report(last.fingerprint, list(merged.values()))


def _read(path: Path) -> Report | None:
    """A report, without the messages of the failures."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        verdicts = []
        for task, (marks, finder, errors) in found["verdicts"].items():
            of: dict[str, list[str]] = {"×": [], "·": [], " ": []}
            for check, mark in zip(found["checks"], marks, strict=True):
                of[mark].append(check)
            mutant, _, backend = task.partition(" in ")
            fallen = dict.fromkeys(of["×"], "")
            verdicts.append(Verdict(mutant, backend, fallen, of["·"], errors, finder))
        return Report(found["fingerprint"], verdicts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@cache
def finders() -> dict[tuple[str, str], str]:
    """file::function[setting] by mutant and backend: which check found it, so that the next search
    begins with it. A wrong one costs only time."""
    known = _read(STORED)
    return {(v.mutant, v.backend): v.finder for v in known.verdicts} if known else {}


def told(verdicts: Sequence[Verdict]) -> str:
    """How many bugs that comparing float64 values shows have no error above each suite's limit.
    NaN, infinity and exceptions are above every limit."""
    every = ([e for check, e in v.errors.items() if check not in EXACT] for v in verdicts)
    largest = [max(errors) for errors in every if errors]
    parts = [
        f"{sum(error <= limit for error in largest)} at {limit:.0e} ({suite})"
        for suite, limit in LIMITS.items()
    ]
    return f"Of {len(largest)} bugs that change values, {', '.join(parts)} and 0 here would pass."
