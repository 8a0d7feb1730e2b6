"""What the conformance suite compares with, and how: each comparison must be able to say no."""

import itertools
import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conformance.cases import COVERING
from conformance.compare import (
    PEERS,
    Disagreement,
    Errors,
    check_truth,
    compare,
    compare_with_truth,
    relative_error,
)
from conformance.ledger import Ledger
from conformance.limits import EXACT, FLOAT64, NOISE, ORDER, limit_of
from conformance.panel import Panel

ONE = np.ones((2, 3))
EMPTY = np.ones((0, 3))
NOT_FINITE = (math.nan, math.inf, -math.inf)


def three(a: Any, b: Any = ONE, c: Any = ONE) -> dict[str, Any]:
    return {"a": a, "b": b, "c": c}


def altered(at: tuple[int, ...], value: float) -> np.ndarray:
    array = ONE.copy()
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("values", "message", "culprits"),
    [
        # On one side, on both, on all: two NaN do not agree, nor do two infinities.
        *(
            ({k: altered((1, 2), x) if k in who else ONE for k in "abc"}, "at [1, 2]", who)
            for x in NOT_FINITE
            for who in ("a", "b", "ab", "abc")
        ),
        *(  # shapes must be equal, and not just broadcast
            (three(np.ones(shape)), "shapes differ", "a")
            for shape in [(1, 3), (3,), (2, 1), (1, 2, 3), (), (3, 2)]
        ),
        (three(ONE, ONE[:1], ONE[:, :1]), "shapes differ", ""),
        *(
            (three(value), "a gave", "a")
            for value in (ONE.astype(np.float32), ONE.astype(int), ONE.tolist(), 1.0)
        ),
        (three(EMPTY, EMPTY, EMPTY), "empty", "abc"),
        ({}, "at least two", ""),
        ({"a": ONE}, "at least two", ""),
    ],
)
def test_what_cannot_be_compared_fails(values: dict[str, Any], message: str, culprits: str) -> None:
    with pytest.raises(Disagreement, match=re.escape(message)) as raised:
        compare(values, math.inf, "float64")
    assert raised.value.culprits == tuple(culprits)


def test_a_backend_is_not_judged_by_itself() -> None:
    own = {"a": ONE.astype(np.float32)}
    with pytest.raises(Disagreement, match="at least two"):
        compare_with_truth(own, {"a": ONE}, 0.1, 0.1, "float32")
    assert compare_with_truth(own, {"b": ONE}, 0.1, 0.1, "float32")["a"] < 0.1


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([0.0, 100.0], [1.0, 100.0], 0.01),  # relative to the largest value
        ([0.0], [0.0], 0),
        ([0.0], [1e-30], 1),
        *(([bad], [other], math.nan) for bad in NOT_FINITE for other in (bad, 1.0)),
    ],
)
def test_relative_errors(a: list[float], b: list[float], error: float) -> None:
    assert relative_error(np.array(a), np.array(b)) == pytest.approx(error, rel=0, nan_ok=True)


@pytest.mark.parametrize(
    ("names", "wrong", "outlier"),
    [("abc", "b", "b"), ("abc", "ab", None), ("ab", "b", None), ("abcd", "a", "a")],
)
def test_only_one_can_stand_alone(names: str, wrong: str, outlier: str | None) -> None:
    for error in (1.0, math.nan):
        pairs = itertools.combinations(names, 2)
        errors = Errors({(a, b): error if a in wrong or b in wrong else 0.0 for a, b in pairs})
        assert errors.outlier(0.5) == outlier


def test_the_message_says_who_where_and_how_much() -> None:
    values = {"numpy": ONE, "torch": altered((1, 0), 1.5), "jax": ONE}
    with pytest.raises(Disagreement) as raised:
        compare(values, 1e-10, "float64")
    assert raised.value.culprits == ("torch",)
    message = str(raised.value)
    assert message.startswith("torch stands alone\n")
    assert "errors, where the limit is 1e-10:\n    numpy–torch 3.3e-01\n" in message
    assert "largest at [1, 0]:\n    numpy 1.0\n    torch 1.5\n    jax 1.0" in message
    with pytest.raises(Disagreement, match="two backends cannot show which") as raised:
        compare({"a": ONE, "b": ONE + 1}, 1e-10, "float64")
    assert raised.value.culprits == ()


TRUTH = np.linspace(1.0, 2.0, 6).reshape(2, 3)
TRUTHS = {"a": TRUTH, "b": TRUTH, "c": TRUTH * 3}  # one is wrong: the median is not


def with_errors(a: float, b: float) -> dict[str, float]:
    """The errors that are found where one entry of a and of b is wrong by these."""
    values = three(*(altered((1, 2), 1 + error) * TRUTH for error in (a, b, 0.0)))
    values = {name: value.astype(np.float32) for name, value in values.items()}
    return compare_with_truth(values, TRUTHS, 1e-6, 1e-2, "float32")


def test_an_error_may_be_twice_that_of_the_others() -> None:
    assert with_errors(1e-4, 1.9e-4)["b"] == pytest.approx(1.9e-4, rel=1e-3)
    with_errors(0.0, 0.9e-6)  # below the floor nothing is said


@pytest.mark.parametrize(
    ("a", "b", "message", "culprits"),
    [
        (1e-4, 1e-4 * PEERS * 1.05, r"(?s)b: too far from the float64 result.*at \[1, 2\]", "b"),
        (0.0, 1.2e-6, "too far", "b"),
        (0.02, 0.03, "too far", "ab"),  # above the ceiling nothing passes
        (math.nan, 1e-4, r"nan at \[1, 2\]", "a"),
    ],
)
def test_what_is_too_far_from_the_truth(a: float, b: float, message: str, culprits: str) -> None:
    with pytest.raises(Disagreement, match=message) as raised:
        with_errors(a, b)
    assert raised.value.culprits == tuple(culprits)


KNOWN = np.array([1.0, -2.0, 0.0])


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        (KNOWN + 1e-9, KNOWN),
        (KNOWN + math.inf, KNOWN),
        (KNOWN.astype(np.float32), KNOWN),
        (KNOWN[None], KNOWN),  # would broadcast
        (KNOWN.tolist(), KNOWN),
        (np.full(3, np.nan), np.full(3, np.nan)),  # NaN on both sides is not agreement
        (np.array([]), np.array([])),
    ],
)
def test_what_is_not_the_known_value_is_refused(found: np.ndarray, truth: np.ndarray) -> None:
    assert check_truth("mine", KNOWN + 1e-11, KNOWN, 1e-10, "logits") == pytest.approx(5e-12, 1e-3)
    with pytest.raises(Disagreement, match="logits: " if truth is KNOWN else "by hand gave"):
        check_truth("mine", found, truth, 1e-10, "logits")


# The limits, the cases, and the backends to judge


def test_every_limit_is_above_its_noise_and_in_the_table() -> None:
    for check in {*EXACT, *FLOAT64, *NOISE}:
        assert check in ORDER
        for dtype, noise in NOISE.get(check, {}).items():
            assert noise < limit_of(check, dtype) < {"bfloat16": 0.5}.get(dtype, 1e-3)
    assert len(set(ORDER)) == len(ORDER)
    with pytest.raises(KeyError):
        Ledger().row("guessing", "float64")


def test_every_pair_of_options_meets_and_every_three_of_a_block() -> None:
    values = [sorted(set(column), key=str) for column in zip(*COVERING, strict=True)]
    assert [len(column) for column in values] == [2, 2, 2, 2, 3, 3, 2, 2, 2, 3, 3, 2]
    pairs, threes = itertools.combinations(range(12), 2), itertools.combinations(range(5), 3)
    for together in (*pairs, *threes):
        met = {tuple(row[i] for i in together) for row in COVERING}
        assert met == set(itertools.product(*(values[i] for i in together))), together


def test_a_built_in_backend_claims_everything_though_it_had_nothing() -> None:
    idle: Any = SimpleNamespace(name="idle", build=lambda *_, **__: object())
    panel = Panel({"numpy": idle, "my.gpt": idle})
    assert panel.lacking(["generate"]) == {"my.gpt"}
    assert panel.lacking([]) == set()
