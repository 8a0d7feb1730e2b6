"""The learning rate of shared/schedule.py against numbers computed by hand."""

import math

import pytest

from shared.config import TrainConfig
from shared.schedule import learning_rate

# Peak 1 and floor 0.2, so a half cosine is 0.6 + 0.4 · cos(π · progress): over 16 steps after 4 of
# warm-up, which rise by fifths. √½ is cos(π/4), 0.98078… is cos(π/16).
ROOT_HALF, COS_16TH = 0.7071067811865476, 0.9807852804032304
COSINE = {
    **{0: 0.2, 1: 0.4, 3: 0.8, 4: 1.0},  # not 0 at step 0: no update is wasted
    **{5: 0.6 + 0.4 * COS_16TH, 8: 0.6 + 0.4 * ROOT_HALF, 12: 0.6},
    **{16: 0.6 - 0.4 * ROOT_HALF, 19: 0.6 - 0.4 * COS_16TH, 20: 0.2, 21: 0.2},
    **{52: 0.2, 10**6: 0.2},  # a cosine that continued would peak again at 52
}
CONSTANT = {0: 0.2, 3: 0.8, 4: 1.0, 12: 1.0, 19: 1.0, 20: 1.0, 10**6: 1.0}
AT_ONCE = {0: 1.0, 5: 0.6 + 0.4 * ROOT_HALF, 10: 0.6, 19: 0.6 - 0.4 * math.cos(math.pi / 20)}
NEVER_THERE = {0: 1 / 31, 19: 20 / 31, 20: 21 / 31, 29: 30 / 31, 30: 0.2, 31: 0.2}
TO_ZERO = {4: 1.0, 12: 0.5, 19: 0.5 - 0.5 * COS_16TH, 20: 0.0, 21: 0.0}

CASES = {
    "cosine": ({"warmup_steps": 4}, COSINE),
    "constant": ({"warmup_steps": 4, "schedule": "constant"}, CONSTANT),
    "no warm-up": ({"warmup_steps": 0}, AT_ONCE),
    "no warm-up, constant": ({"warmup_steps": 0, "schedule": "constant"}, {0: 1.0, 19: 1.0}),
    "warm-up as long as the training": ({"warmup_steps": 20}, {0: 1 / 21, 19: 20 / 21, 20: 0.2}),
    "warm-up longer than the training": ({"warmup_steps": 30}, NEVER_THERE),
    "down to nothing": ({"warmup_steps": 4, "min_lr": 0.0}, TO_ZERO),
}


@pytest.mark.parametrize(("changes", "rates"), CASES.values(), ids=CASES)
def test_learning_rate(changes: dict, rates: dict[int, float]) -> None:
    """At every change: the first steps, the peak, the middle of the cosine, its end, and after."""
    config = TrainConfig(**{"steps": 20, "learning_rate": 1.0, "min_lr": 0.2} | changes)
    found = {step: learning_rate(config, step) for step in rates}
    assert found == pytest.approx(rates, rel=1e-14, abs=0)
