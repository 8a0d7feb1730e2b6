"""The helper by which a result is held to a known value: it must be able to say no."""

import numpy as np
import pytest

from conformance.compare import Disagreement
from conformance.truths.truth import check_truth

TRUTH = np.array([1.0, -2.0, 0.0])


def check(found: np.ndarray, truth: np.ndarray = TRUTH) -> float:
    return check_truth("mine", found, truth, 1e-10, "logits")


def test_the_error_is_relative_to_the_largest_entry() -> None:
    assert check(TRUTH.copy()) == 0
    assert check(TRUTH + 1e-11) == pytest.approx(5e-12, rel=1e-3)
    assert check(np.zeros(3), np.zeros(3)) == 0


@pytest.mark.parametrize(
    "found",
    [
        TRUTH + 1e-9,
        np.full(3, np.nan),
        np.array([1.0, -2.0, np.inf]),
        TRUTH.astype(np.float32),
        TRUTH[None],  # would broadcast
        TRUTH[:1],
        np.array([]),
        TRUTH.tolist(),
    ],
    ids=["wrong", "NaN", "infinite", "float32", "broadcasts", "short", "empty", "a list"],
)
def test_what_is_not_the_truth_is_refused(found: np.ndarray) -> None:
    with pytest.raises(Disagreement, match="logits") as refused:
        check(found)
    assert refused.value.culprits == ("mine",)


@pytest.mark.parametrize("truth", [np.full(3, np.nan), np.array([])], ids=["NaN", "empty"])
def test_a_truth_that_is_none_is_refused(truth: np.ndarray) -> None:
    """Even by a backend that gives the same: NaN on both sides is no agreement."""
    with pytest.raises(Disagreement):
        check(truth.copy(), truth)


def test_the_message_shows_the_entry() -> None:
    with pytest.raises(Disagreement, match=r"(?s)mine is wrong by 2\.0e-01.*\[1\]") as refused:
        check(np.array([1.0, -2.5, 0.0]))
    assert "mine -2.5" in str(refused.value)
    assert "by hand -2.0" in str(refused.value)
