"""Every limit of the suite, and where it comes from.

An error is the largest |a − b| over a tensor, divided by the largest |a| or |b| in it: a relative
error per entry would mean nothing for entries near zero.

- Some checks involve no rounding. Their limit is 0.
- In float64 the limit is 1e-12 if the noise of ten seeds stays ten times below it. Checks that
  amplify rounding more have their own limits, with the reason beside them.
- Elsewhere a limit is eight times the noise, rounded up to one digit. Noise is the largest error
  of correct backends over ten seeds of weights and batches. Eight, because the largest errors of
  two seeds differ by less than that, and other processors add in other orders.

Two hundred steps of training: in float64 the weights must agree to 1e-8 at the end. The noise is
that of the key bias, as after twenty steps. In float32 the key biases walk one part in fifty apart,
and the losses, which do not notice, are compared instead: within eight times their noise, as
everywhere.

Every run reports each limit beside its noise, in build/conformance.json and .html.

Never raise a limit to make something pass; `python -m conformance.noise` measures the noise.
"""

import math

import numpy as np

EXACT = {
    *("weights kept", "future has no influence", "no gradient from the past"),
    *("weights on the future", "trained model", "resume", "inputs kept", "results kept"),
    *(
        "only training drops",
        "repeated",
        "interleaved",
        "nothing global",
        "same text",
        "cached decoding",
        "sampling",
    ),
}
"""No bit and no token may differ."""

FLOAT64 = {
    "logits": 1e-12,
    "trace and logits": 1e-12,
    "rows alone": 1e-12,
    "decoded logits": 1e-12,
    "loss": 1e-12,
    "loss by definition": 1e-12,
    "losses on the way": 1e-12,
    "norms on the way": 1e-12,
    "softmax rows sum to 1": 1e-12,
    # Eight times the noise, nearly all of it from the cases with the largest numbers.
    "taps": 7e-12,
    "gradients": 3e-12,
    "AdamW, 1 step": 1e-10,
    # AdamW divides a gradient by its own size. The key bias's is truly zero, for softmax does not
    # change when all scores of a row move alike: noise is divided by noise plus 1e-8, every time.
    "AdamW, 20 steps": 1e-9,
    "SGD, 1 step": 1e-12,
    "SGD, 20 steps": 1e-12,
    "accumulated": 1e-12,
    "relay": 1e-9,  # ten of these steps and more
    "bigram": 1e-12,
    "attention steps": 1e-12,
    "200 steps: losses": 1e-12,
    "200 steps: weights": 1e-8,
}

MARGIN = 8

ULPS = 12
"""In float32, an error against the float64 result of fewer units in the last place says nothing
about the algorithm. Measured: among correct backends an error that is more than twice those of the
others reaches 7.6 units, over four seeds."""

NOISE = {
    "taps": {"float64": 8.5e-13, "float32": 8.7e-07},
    "logits": {"float64": 1e-13, "float32": 6e-07},
    "softmax rows sum to 1": {"float64": 6.7e-16, "float32": 2.6e-07},
    "loss": {"float64": 1e-14, "float32": 3.4e-07},
    "gradients": {"float64": 2.6e-13, "float32": 1.7e-06},
    "finite differences": {"float64": 1.6e-09},
    "AdamW, 1 step": {"float64": 1.3e-11, "float32": 1.1e-04},
    "AdamW, 20 steps": {"float64": 1.1e-10, "float32": 1e-04},
    "SGD, 1 step": {"float64": 4.1e-16, "float32": 2.6e-07},
    "SGD, 20 steps": {"float64": 9e-16, "float32": 3.8e-07},
    "relay": {"float64": 6.1e-11},
    "200 steps: losses": {"float64": 1.5e-15, "float32": 7.1e-07},
    "200 steps: weights": {"float64": 5.3e-11},
    "bigram": {"float64": 1.1e-15},
    "attention steps": {"float64": 1.8e-15},
    "trace and logits": {"float64": 1e-13, "float32": 6e-07},
    "rows alone": {"float64": 1e-13, "float32": 6e-07},
    "loss by definition": {"float64": 1e-14, "float32": 3.4e-07},
    "losses on the way": {"float64": 1e-14, "float32": 7e-07},
    "norms on the way": {"float64": 1e-13, "float32": 1.7e-06},
    "decoded logits": {"float64": 1e-13, "float32": 6e-07},
}
"""What `python -m conformance.noise --seeds 10` printed when the limits were set. (AdamW in float32
without key biases.) The rows from "trace and logits" on have the noise of the rows that they are
computed from. Ten seeds of the cases added since stay within 1.6 times of it; `MARGIN` allows 8."""

WANDERING = {"AdamW, 1 step", "AdamW, 20 steps", "200 steps: losses"}
"""Rows whose float32 errors come from a few entries near zero, which AdamW repeatedly divides by
their own size: twice the error of another backend proves nothing."""

ORDER = [
    *("weights kept", "taps", "logits", "trace and logits", "rows alone"),
    *("softmax rows sum to 1", "weights on the future", "future has no influence"),
    *("loss", "loss by definition", "gradients", "finite differences"),
    *("no gradient from the past", "AdamW, 1 step", "AdamW, 20 steps", "SGD, 1 step"),
    *(
        "SGD, 20 steps",
        "accumulated",
        "losses on the way",
        "norms on the way",
        "relay",
        "200 steps: losses",
    ),
    *(
        "200 steps: weights",
        "only training drops",
        "trained model",
        "resume",
        "inputs kept",
        "results kept",
    ),
    *(
        "only training drops",
        "repeated",
        "interleaved",
        "nothing global",
        "decoded logits",
        "cached decoding",
    ),
    *("same text", "sampling", "bigram", "attention steps"),
]
"""The order of the table: that of the data flow."""


def limit_of(check: str, dtype: str) -> float:
    """The limit of a check in one precision. Raises `KeyError` if it has none."""
    if check in EXACT:
        return 0.0
    if dtype == "float64" and check in FLOAT64:
        return FLOAT64[check]
    return one_digit_up(MARGIN * NOISE[check][dtype])


def floor_of(check: str, dtype: str) -> float:
    """Errors against float64 up to here prove nothing, even if the others are smaller."""
    if check in WANDERING:
        return limit_of(check, dtype)
    return ULPS * float(np.finfo(dtype).eps)


def one_digit_up(value: float) -> float:
    """The next number with a single digit that is not zero: 0.00034 becomes 0.0004."""
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(value / unit) * unit:.0e}")
