"""What the last run of the mutants found, in build/mutants.json, with a hash of the sources; and
how many of the bugs would pass at the limits of other suites."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from audits.mutants.judging import Verdict
from conformance import gate
from conformance.limits import EXACT
from shared.files import explained, write_whole
from shared.sources import ROOT

REPORT = gate.STAMP.with_name("mutants.json")
COVERED = (*gate.COVERED, "audits/mutants")
"""Files and directories that can affect which checks kill a mutant."""

LIMITS = {
    "CS336 of Stanford, and llm.c in bfloat16": 1e-2,
    "ONNX's backend tests": 1e-3,
    "keras-hub": 1e-4,
    "Hugging Face's model tests": 1e-5,
}
"""The limits of other suites, taken as relative ones, as most values here are about 1."""


@dataclass(frozen=True)
class Report:
    """Verdicts, and a hash of what was judged."""

    fingerprint: str
    verdicts: list[Verdict]

    @property
    def stale(self) -> bool:
        """The sources have changed since."""
        return self.fingerprint != fingerprint()


def fingerprint() -> str:
    """A hash of everything that decides which checks fail: sources and installed versions."""
    return gate.fingerprint(ROOT, COVERED)


def write_report(current: str, verdicts: Sequence[Verdict]) -> None:
    """Write build/mutants.json. Verdicts of earlier runs on the same sources are kept, so that
    judging one mutant does not discard all others. Raises `RunError` if it cannot be written."""
    known = read_report()
    kept = known.verdicts if known is not None and known.fingerprint == current else []
    merged = {(v.mutant, v.backend): v for v in [*kept, *verdicts]}
    content = {"fingerprint": current, "verdicts": [asdict(v) for v in merged.values()]}
    with explained("write", REPORT):
        REPORT.parent.mkdir(exist_ok=True)
        write_whole(REPORT, json.dumps(content, indent=1))


def read_report() -> Report | None:
    """The last report; None if there is none, or it cannot be read."""
    try:
        found = json.loads(REPORT.read_text(encoding="utf-8"))
        return Report(found["fingerprint"], [Verdict(**each) for each in found["verdicts"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def told(verdicts: Sequence[Verdict]) -> str:
    """How many bugs that comparing float64 values shows have no error above each suite's limit.
    NaN, infinity and exceptions are above every limit."""
    largest = [
        max(errors)
        for verdict in verdicts
        if (errors := [e for check, e in verdict.errors.items() if check not in EXACT])
    ]
    parts = [
        f"{sum(error <= limit for error in largest)} at {limit:.0e} ({suite})"
        for suite, limit in LIMITS.items()
    ]
    return f"Of {len(largest)} bugs that change values, {', '.join(parts)} and 0 here would pass."
