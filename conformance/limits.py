"""Every limit of the suite, from limits.toml, and where it comes from.

An error is the largest |a − b| over a tensor, divided by the largest |a| or |b| in it: a relative
error per entry would mean nothing for entries near zero.

- Some checks involve no rounding. Their limit is 0.
- In float64 the limit is 1e-12 if the noise of ten seeds stays ten times below it. Checks that
  amplify rounding more have their own limits, with the reason beside them.
- Elsewhere a limit is eight times the noise, rounded up to one digit. Noise is the largest error
  of correct backends over ten seeds of weights and batches. Eight, because the largest errors of
  two seeds differ by a smaller factor, and other processors add in other orders.

After two hundred steps of training in float64, the weights must agree to 1e-8. The noise is that of
the key bias, as after twenty steps. In float32 the key biases drift one part in fifty apart, so the
losses, which they do not affect, are compared instead: within eight times their noise, as
everywhere.

Every run reports each limit beside its noise, in build/conformance.json and .html.

Never raise a limit to make something pass; `python -m conformance.noise` measures the noise.
"""

import math
import tomllib
from pathlib import Path

CHECKS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
ORDER = list(CHECKS)
"""The order of the table: that of the data flow."""
EXACT = {check for check, row in CHECKS.items() if row == "exact"}
"""No bit and no token may differ."""
FLOAT64 = {check: row["limit"] for check, row in CHECKS.items() if "limit" in row}
NOISE = {check: row["noise"] for check, row in CHECKS.items() if "noise" in row}

MARGIN = 8

FLOOR = {"float64": 12 * 2.0**-52, "float32": 12 * 2.0**-23, "bfloat16": 4 * 2.0**-7}
"""Smaller errors against the float64 result say nothing about the algorithm: twelve units in the
last place of 1, or four in bfloat16. Over four seeds, the largest error of a correct backend that
was more than twice those of the others was 7.6 units in float32, and 2.8 in bfloat16."""

WANDERING = {"AdamW, 1 step", "AdamW, 20 steps", "200 steps: losses"}
"""Rows whose float32 errors come from a few entries near zero, which AdamW repeatedly divides by
their own size: twice the error of another backend proves nothing."""


def limit_of(check: str, dtype: str) -> float:
    """The limit of a check in one precision. Raises `KeyError` if it has none."""
    if check in EXACT:
        return 0.0
    if dtype == "float64" and check in FLOAT64:
        return FLOAT64[check]
    return one_digit_up(MARGIN * NOISE[check][dtype])


def has_limit(check: str, dtype: str) -> bool:
    """Whether the check applies in that precision. In bfloat16, for example, AdamW's weights drift
    too far apart for a limit to mean anything; the losses along the way are judged instead."""
    exact = check in EXACT or (dtype == "float64" and check in FLOAT64)
    return exact or dtype in NOISE.get(check, {})


def floor_of(check: str, dtype: str) -> float:
    """Errors against float64 up to this size prove nothing, even if the others' are smaller."""
    return limit_of(check, dtype) if check in WANDERING else FLOOR[dtype]


def one_digit_up(value: float) -> float:
    """Round up to one significant digit: 0.00034 becomes 0.0004."""
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(value / unit) * unit:.0e}")
