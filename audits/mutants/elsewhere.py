"""How many planted bugs would pass at the limits of other suites, on the values of this one."""

from collections.abc import Sequence

from audits.mutants.judging import Verdict
from conformance.limits import EXACT

LIMITS = {
    "CS336 of Stanford, and llm.c in bfloat16": 1e-2,
    "ONNX's backend tests": 1e-3,
    "keras-hub": 1e-4,
    "Hugging Face's model tests": 1e-5,
}
"""Their limits, taken as relative ones, as most values here are about 1."""


def would_pass(verdicts: Sequence[Verdict]) -> tuple[int, dict[str, int]]:
    """The number of bugs that comparing float64 values shows, and for each suite how many of them
    have no error above its limit. NaN, infinity and exceptions are above every limit."""
    largest = [
        max(errors)
        for verdict in verdicts
        if (errors := [e for check, e in verdict.errors.items() if check not in EXACT])
    ]
    return len(largest), {
        suite: sum(error <= limit for error in largest) for suite, limit in LIMITS.items()
    }


def told(verdicts: Sequence[Verdict]) -> str:
    """The same in a sentence."""
    judged, passing = would_pass(verdicts)
    parts = [f"{passing[suite]} at {limit:.0e} ({suite})" for suite, limit in LIMITS.items()]
    return f"Of {judged} bugs that change values, {', '.join(parts)} and 0 here would pass."
