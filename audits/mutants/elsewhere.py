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
