"""The helpers of the conformance suite: each must be able to say no."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conformance import limits
from conformance.compare import Disagreement, Errors, compare, relative_error
from conformance.ledger import Ledger
from conformance.limits import EXACT, FLOAT64, NOISE, ORDER, distances, limit_of, one_digit_up
from conformance.panel import Panel, judged

ONE = np.ones((2, 3))
LIMIT = 1e-10


def three(a: Any, b: Any = ONE, c: Any = ONE) -> dict[str, Any]:
    return {"a": a, "b": b, "c": c}


def altered(at: tuple[int, ...], value: float) -> np.ndarray:
    array = ONE.copy()
    array[at] = value
    return array


# Comparisons


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["a", "b", "ab", "abc"])
def test_what_is_not_finite_fails_wherever_it_is(value: float, where: str) -> None:
    """On one side, on both, on all: two NaN do not agree, nor do two infinities."""
    values = {name: altered((1, 2), value) if name in where else ONE for name in "abc"}
    with pytest.raises(Disagreement, match=r"at \[1, 2\]") as raised:
        compare(values, math.inf, "float64")
    assert raised.value.culprits == tuple(where)


@pytest.mark.parametrize("shape", [(1, 3), (3,), (2, 1), (1, 2, 3), (), (3, 2)])
def test_shapes_must_be_equal_and_not_just_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(Disagreement, match="shapes differ") as raised:
        compare(three(np.ones(shape)), math.inf, "float64")
    assert raised.value.culprits == ("a",)
    with pytest.raises(Disagreement, match="shapes"):
        relative_error(np.ones(shape), ONE)


def test_three_shapes_are_nobodys_fault() -> None:
    with pytest.raises(Disagreement) as raised:
        compare(three(ONE, ONE[:1], ONE[:, :1]), math.inf, "float64")
    assert raised.value.culprits == ()


@pytest.mark.parametrize("names", ["", "a"])
def test_a_comparison_of_fewer_than_two_fails(names: str) -> None:
    with pytest.raises(Disagreement, match="at least two"):
        compare(dict.fromkeys(names, ONE), math.inf, "float64")


def test_empty_arrays_are_no_agreement() -> None:
    empty = np.ones((0, 3))
    with pytest.raises(Disagreement, match="empty"):
        compare(three(empty, empty, empty), math.inf, "float64")
    with pytest.raises(Disagreement, match="nothing"):
        relative_error(empty, empty)


@pytest.mark.parametrize("value", [ONE.astype(np.float32), ONE.astype(int), ONE.tolist(), 1.0])
def test_a_wrong_type_fails_though_the_values_are_right(value: Any) -> None:
    with pytest.raises(Disagreement) as raised:
        compare(three(value), math.inf, "float64")
    assert raised.value.culprits == ("a",)


def test_the_error_is_relative_to_the_largest_value() -> None:
    assert relative_error(np.array([0.0, 100.0]), np.array([1.0, 100.0])) == 0.01
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.zeros(3), np.full(3, 1e-30)) == 1
    assert math.isnan(relative_error(np.array([math.nan]), np.array([math.nan])))
    assert math.isnan(relative_error(np.array([math.inf]), np.array([1.0])))
    assert math.isnan(relative_error(np.array([math.inf]), np.array([math.inf])))


# Backends at fault


def pairs(names: str, wrong: str) -> Errors:
    """Errors of 1 between those in `wrong` and all others, otherwise 0."""
    return Errors(
        {
            (a, b): float(a in wrong or b in wrong)
            for i, a in enumerate(names)
            for b in names[i + 1 :]
        }
    )


@pytest.mark.parametrize(
    ("names", "wrong", "outlier"),
    [("abc", "b", "b"), ("abc", "ab", None), ("ab", "b", None), ("abcd", "a", "a")],
)
def test_only_one_can_stand_alone(names: str, wrong: str, outlier: str | None) -> None:
    assert pairs(names, wrong).outlier(0.5) == outlier


def test_two_camps_of_two_are_nobodys_fault_and_nan_is_no_agreement() -> None:
    errors = {("a", "b"): 0.0, ("c", "d"): 0.0}
    errors |= {(x, y): 1.0 for x in "ab" for y in "cd"}
    assert Errors(errors).outlier(0.5) is None
    errors = {("a", "b"): 0.0, ("a", "c"): math.nan, ("b", "c"): math.nan}
    assert Errors(errors).outlier(0.5) == "c"


def test_the_message_says_who_where_and_how_much() -> None:
    values = {"numpy": ONE, "torch": altered((1, 0), 1.5), "jax": ONE}
    with pytest.raises(Disagreement) as raised:
        compare(values, LIMIT, "float64")
    assert raised.value.culprits == ("torch",)
    message = str(raised.value)
    assert message.startswith("torch stands alone\n")
    assert "errors, where the limit is 1e-10:\n    numpy–torch 3.3e-01\n" in message
    assert "largest at [1, 0]:\n    numpy 1.0\n    torch 1.5\n    jax 1.0" in message


def test_two_cannot_say_who_is_wrong() -> None:
    with pytest.raises(Disagreement, match="two backends cannot show which") as raised:
        compare({"a": ONE, "b": ONE + 1}, LIMIT, "float64")
    assert raised.value.culprits == ()


# The limits


def test_an_unknown_check_has_no_limit() -> None:
    with pytest.raises(KeyError):
        limit_of("guessing", "float64")
    with pytest.raises(KeyError):
        Ledger().row("guessing", "float64")


def test_every_limit_is_above_its_noise_and_in_the_table() -> None:
    for check in {*EXACT, *FLOAT64, *NOISE}:
        assert check in ORDER
        for dtype, noise in NOISE.get(check, {}).items():
            assert noise < limit_of(check, dtype) < 1e-3
    assert len(set(ORDER)) == len(ORDER)


def test_one_digit_up() -> None:
    for value, rounded in ((0.00034, 0.0004), (0.0003, 0.0003), (0.00091, 0.001), (8, 8)):
        assert one_digit_up(value) == pytest.approx(rounded, rel=1e-12)


def test_distances_of_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SMALLEST_MUTANT", {"logits": {"float64": 1e-4}})
    monkeypatch.setattr(limits, "NOISE", {"logits": {"float64": 1e-13}})
    assert distances("logits", "float64") == pytest.approx((10, 1e8))
    assert distances("loss", "float64") == (None, None)
    assert distances("same text", "float64") == (None, None)


# Backends to judge


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([], "numpy torch jax"),
        (["torch", "numpy"], "numpy torch"),
        (["jax"], "jax"),
        (["my.gpt"], "numpy torch jax my.gpt"),
        (["my.gpt", "torch", "my.gpt"], "torch my.gpt"),
    ],
)
def test_who_is_judged(named: list[str], expected: str) -> None:
    assert judged(named) == expected.split()


def test_a_built_in_backend_claims_everything_though_it_had_nothing() -> None:
    idle: Any = SimpleNamespace(name="idle", build=lambda *_, **__: object())
    panel = Panel({"numpy": idle, "my.gpt": idle})
    assert panel.lacking(["generate"]) == {"my.gpt"}
    assert panel.lacking([]) == set()
