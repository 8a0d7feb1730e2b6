"""The judge of the conformance suite, its ledger, the table, and the recorder."""

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conformance.cases import BASE
from conformance.compare import Disagreement
from conformance.judge import Judge, backward_order
from conformance.ledger import Ledger
from conformance.limits import EXACT
from conformance.panel import Panel
from conformance.recorder import Recorder
from conformance.reporting.table import render_table
from shared.config import GPTConfig
from shared.layout import tensor_shapes
from shared.protocol import TrainState
from shared.taps import tap_names
from tests.conformance.test_conformance_helpers import ONE, three


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def judge(ledger: Ledger) -> Judge:
    return Judge(ledger, "gpt2", "float64")


def tracing(config: GPTConfig, trace: dict[str, np.ndarray]) -> Any:
    """A model that has only a trace."""
    return SimpleNamespace(config=config, trace=lambda tokens: trace)


def test_a_failure_is_charged_to_the_one_who_stands_alone(judge: Judge, ledger: Ledger) -> None:
    with pytest.raises(Disagreement, match=r"^logits \[gpt2, float64\]: a stands alone"):
        judge.agree("logits", three(2 * ONE))
    row = ledger.row("logits", "float64")
    assert (row.failed, row.verdict) == ({"a"}, "failed")
    assert row.errors == {"a": 0.5, "b": 0.0, "c": 0.0}
    for bad in (math.nan, np.float32(1), np.ones(1, np.float32)):
        with pytest.raises(Disagreement):
            judge.agree("loss", three(bad, 1.0, 1.0))
    row = ledger.row("loss", "float64")
    row.add("gpt2", "a", 0.0)  # which does not make NaN forgotten
    assert (row.failed, row.failures, row.errors) == ({"a"}, 3, {"a": math.inf})


@pytest.mark.parametrize("check", sorted(EXACT))
def test_exact_means_exact(judge: Judge, check: str) -> None:
    judge.holds(check, "a", 0.0, "")
    with pytest.raises(Disagreement):
        judge.holds(check, "a", 5e-324, "")


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_first_tap_that_departs_is_named(judge: Judge, norm: Any) -> None:
    config = GPTConfig(vocab_size=3, n_layer=1, norm=norm)
    names = tap_names(config)
    for before, first in pairwise(names):
        bad = {tap: ONE + (names.index(tap) >= names.index(first)) for tap in names}
        models = {key: tracing(config, dict.fromkeys(names, ONE)) for key in "ab"}
        models["c"] = tracing(config, bad)
        with pytest.raises(Disagreement, match="c stands alone") as raised:
            judge.taps_agree(models, ONE)
        assert raised.value.at == first
        assert (
            f"tap {first} [gpt2, float64]: c stands alone\n  all before it agree, up to {before}\n"
            in str(raised.value)
        )


def test_the_last_gradient_that_is_right_is_named(judge: Judge) -> None:
    right = {key: np.ones(shape) for key, shape in tensor_shapes(BASE).items()}
    models = {key: tracing(BASE, {}) for key in "abc"}
    order = backward_order(BASE)
    for before, first in pairwise(order):
        wrong = {key: x + (order.index(key) >= order.index(first)) for key, x in right.items()}
        with pytest.raises(Disagreement, match="b stands alone") as raised:
            judge.tensors_agree("gradients", {"a": right, "b": wrong, "c": right}, models)
        assert raised.value.at == first
        assert f"on the way back all agree up to {before}\n" in str(raised.value)
    for bad in ({}, right | {"more": ONE}, right | {order[0]: right[order[0]].T}):
        with pytest.raises(Disagreement, match=r"^gradients .* b "):
            judge.tensors_agree("gradients", {"a": right, "b": bad, "c": right}, models)


def test_the_table_shows_failures_and_what_is_not_offered(judge: Judge, ledger: Ledger) -> None:
    judge.not_offered = frozenset("d")
    judge.agree("loss", three(1.0, 1.0, 1.0))
    with pytest.raises(Disagreement):
        judge.agree("logits", three(2 * ONE))
    table = render_table(ledger, list("abcd"), {"passed": 1, "failed": 1})
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    assert columns[0] == ["float64", "logits", "loss"]
    assert columns[1][1:] == ["5.0e-01", "0"]
    assert columns[4][1:] == ["not offered", "not offered"]
    assert columns[6][1:] == ["✗", "✓"]


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        (TrainState(1, {"a": ONE, "b": ONE + 1e-12}, {}), "weights.b"),
        (TrainState(2, {"a": ONE, "b": ONE}, {}), "step"),
        (TrainState(1, {"a": ONE, "b": ONE.astype(np.float32)}, {}), "weights.b"),
        (TrainState(1, {"a": ONE, "b": ONE[:1]}, {}), "weights.b"),
    ],
)
def test_what_differs_is_named(judge: Judge, changed: TrainState, path: str) -> None:
    before = TrainState(1, {"a": ONE, "b": ONE}, {})
    judge.same("resume", "numpy", before, before, "the state")
    with pytest.raises(Disagreement, match=f"numpy fails\n  the state: {path}:"):
        judge.same("resume", "numpy", before, changed, "the state")


def item(name: str, check: str) -> Any:
    return SimpleNamespace(nodeid=name, iter_markers=lambda _: [SimpleNamespace(args=(check,))])


def test_two_processes_are_added_up() -> None:
    """Each expects both tests and has run one; the third has run in neither."""
    tests = [item("one", "logits"), item("two", "taps"), item("three", "loss")]
    whole = Recorder(Panel({}), [], 0)
    for done, check, error in (("one", "logits", 1e-15), ("two", "taps", 2e-15)):
        recorder = Recorder(Panel({}), [], 0)
        recorder.expect(tests)
        del recorder.pending[done]
        recorder.ledger.row(check, "float64").add("gpt2", "numpy", error)
        recorder.outcomes["passed"] += 1
        whole.merge(recorder.found())
    whole.close()
    assert whole.outcomes["passed"] == 2
    assert list(whole.pending) == ["three"]
    verdicts = {row.check: row.verdict for row in whole.ledger.in_order()}
    assert verdicts == {"taps": "passed", "logits": "passed", "loss": "unfinished"}
    assert whole.ledger.row("taps", "float64").errors == {"numpy": 2e-15}
