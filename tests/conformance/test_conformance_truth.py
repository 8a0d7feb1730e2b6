"""References of the suite: float64 and known values; other processes, and tests not run."""

import itertools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conformance.cases import CASES, DESIGN, random_weights, rounded
from conformance.compare import PEERS, Disagreement, compare_with_truth
from conformance.judge import Judge, differences
from conformance.ledger import Ledger
from conformance.panel import Panel
from conformance.recorder import Recorder
from conformance.truths.truth import check_truth

TRUTH = np.linspace(1.0, 2.0, 6).reshape(2, 3)
TRUTHS = {"a": TRUTH, "b": TRUTH, "c": TRUTH * 3}  # one is wrong: the median is not


def off(error: float) -> np.ndarray:
    found = TRUTH.copy()
    found[1, 2] *= 1 + error
    return found.astype(np.float32)


def judged(a: float, b: float, floor: float = 1e-6, ceiling: float = 1e-2) -> dict[str, float]:
    values = {"a": off(a), "b": off(b), "c": off(0)}
    return compare_with_truth(values, TRUTHS, floor, ceiling, "float32")


def test_an_error_may_be_twice_that_of_the_others() -> None:
    assert judged(1e-4, 1.9e-4)["b"] == pytest.approx(1.9e-4, rel=1e-3)
    with pytest.raises(Disagreement, match="b: too far from the float64 result") as raised:
        judged(1e-4, 1e-4 * PEERS * 1.05)
    assert raised.value.culprits == ("b",)
    assert "largest at [1, 2]" in str(raised.value)


def test_below_the_floor_nothing_is_said_and_above_the_ceiling_nothing_passes() -> None:
    judged(0.0, 0.9e-6)
    with pytest.raises(Disagreement):
        judged(0.0, 1.2e-6)
    with pytest.raises(Disagreement) as raised:
        judged(0.02, 0.03)
    assert raised.value.culprits == ("a", "b")


def test_nan_helps_nobody() -> None:
    with pytest.raises(Disagreement, match=r"nan at \[1, 2\]"):
        judged(np.nan, 1e-4)
    with pytest.raises(Disagreement, match="no float64 result"):
        compare_with_truth({"a": off(0), "b": off(0)}, {}, 1e-6, 1e-2, "float32")


def test_rounded_weights_are_what_a_float32_model_holds() -> None:
    for value in rounded(random_weights(CASES[0])).values():
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value.astype(np.float32), value)


# Known values

KNOWN = np.array([1.0, -2.0, 0.0])


def check(found: np.ndarray, truth: np.ndarray = KNOWN) -> float:
    return check_truth("mine", found, truth, 1e-10, "logits")


def test_the_error_is_relative_to_the_largest_entry() -> None:
    assert check(KNOWN.copy()) == 0
    assert check(KNOWN + 1e-11) == pytest.approx(5e-12, rel=1e-3)
    assert check(np.zeros(3), np.zeros(3)) == 0


@pytest.mark.parametrize(
    "found",
    [
        KNOWN + 1e-9,
        np.full(3, np.nan),
        np.array([1.0, -2.0, np.inf]),
        KNOWN.astype(np.float32),
        KNOWN[None],  # would broadcast
        KNOWN[:1],
        np.array([]),
        KNOWN.tolist(),
    ],
    ids=["wrong", "NaN", "infinite", "float32", "broadcasts", "short", "empty", "a list"],
)
def test_what_is_not_the_truth_is_refused(found: np.ndarray) -> None:
    with pytest.raises(Disagreement, match="logits") as refused:
        check(found)
    assert refused.value.culprits == ("mine",)


@pytest.mark.parametrize("truth", [np.full(3, np.nan), np.array([])], ids=["NaN", "empty"])
def test_a_truth_that_is_none_is_refused(truth: np.ndarray) -> None:
    """Even by a backend that gives the same: NaN on both sides is not agreement."""
    with pytest.raises(Disagreement):
        check(truth.copy(), truth)


def test_its_message_shows_the_entry() -> None:
    with pytest.raises(Disagreement, match=r"(?s)mine is wrong by 2\.0e-01.*\[1\]") as refused:
        check(np.array([1.0, -2.5, 0.0]))
    assert "mine -2.5" in str(refused.value)
    assert "by hand -2.0" in str(refused.value)


# Bit for bit


@dataclass
class Two:
    step: int
    found: dict[str, np.ndarray]


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        (Two(1, {"a": TRUTH, "b": TRUTH + 1e-12}), "found.b"),
        (Two(2, {"a": TRUTH, "b": TRUTH}), "step"),
        (Two(1, {"a": TRUTH}), "found"),
        (Two(1, {"a": TRUTH, "b": TRUTH.astype(np.float32)}), "found.b"),
        (Two(1, {"a": TRUTH, "b": TRUTH[:1]}), "found.b"),
        (Two(1, {"a": TRUTH, "b": [1.0]}), "found.b"),
    ],
)
def test_what_differs_is_named(changed: Two, path: str) -> None:
    before = Two(1, {"a": TRUTH, "b": TRUTH})
    assert not any(error for _, error in differences(before, before))
    assert next(where for where, error in differences(before, changed) if error) == path
    judge = Judge(Ledger(), "gpt2", "float64")
    with pytest.raises(Disagreement, match=f"numpy fails\n  the state: {path}"):
        judge.same("resume", "numpy", before, changed, "the state")


# The covering design


def test_every_pair_of_options_meets() -> None:
    rows = [
        (
            *(case.config.norm, case.config.position, case.config.tie_weights, case.config.bias),
            *(case.config.activation, case.config.n_head, case.config.n_layer),
            *(case.config.layer_norm_epsilon, case.config.n_inner),
            *(case.batch_size, case.length, case.optimizer),
        )
        for case in DESIGN
    ]
    values = [sorted(set(column), key=str) for column in zip(*rows, strict=True)]
    assert [len(column) for column in values] == [2, 2, 2, 2, 3, 3, 2, 2, 2, 3, 3, 2]
    for i, j in itertools.combinations(range(len(values)), 2):
        met = {(row[i], row[j]) for row in rows}
        assert met == set(itertools.product(values[i], values[j])), (i, j)


# Other processes, and what has not run


def item(name: str, check: str) -> Any:
    mark = SimpleNamespace(args=(check,))
    return SimpleNamespace(
        nodeid=f"conformance/model/test_forward.py::{name}@gpt2",
        callspec=SimpleNamespace(params={"setting": (CASES[0], "float64")}),
        iter_markers=lambda _: [mark],
    )


def test_two_processes_are_added_up() -> None:
    """Each expects both tests and has run one; the third has run in neither."""
    tests = [item("one", "logits"), item("two", "taps"), item("three", "loss")]
    found = []
    for done, error in ((0, 1e-15), (1, 2e-15)):
        recorder = Recorder(Panel({}), [], 0)
        recorder.expect(tests)
        del recorder.pending[f"conformance/model/test_forward.py::{('one', 'two')[done]}"]
        recorder.ledger.row(("logits", "taps")[done], "float64").add("gpt2", "numpy", error)
        recorder.outcomes["passed"] += 1
        found.append(recorder.found())
    whole = Recorder(Panel({}), [], 0)
    for part in found:
        whole.merge(part)
    whole.close()
    assert whole.outcomes["passed"] == 2
    assert list(whole.pending) == ["conformance/model/test_forward.py::three"]
    verdicts = {row.check: row.verdict for row in whole.ledger.in_order()}
    assert verdicts == {"taps": "passed", "logits": "passed", "loss": "unfinished"}
    assert whole.ledger.row("taps", "float64").errors == {"numpy": 2e-15}
