"""The relay agrees with every backend alone, and detects losses in a hand-over."""

from dataclasses import replace

import numpy as np
import pytest
from jax import tree

from lessons.relay import __main__ as relay
from lessons.relay import legs
from lessons.relay.legs import Difference, apart, snapshot
from shared.checkpoints.checkpoint import checkpoint_path, load_checkpoint
from shared.commands.prepare import Preparation, prepare
from shared.protocol import BACKENDS
from shared.runs.metrics import read_metrics


@pytest.fixture
def here(tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A relay in this process. Gives the options for it."""
    monkeypatch.setattr(relay, "run_alone", lambda function, *given: function(*given))
    return tiny


def test_the_relay_ends_where_every_backend_alone_ends(here, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert relay.main([*here, "--steps", "10", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "All weights and moments agree to " in shown.out
    assert [line.split(":")[0] for line in shown.err.splitlines()] == [
        *("data", "leg 1 of 3", "leg 2 of 3", "leg 3 of 3", *["beside it"] * 3),
        f"the runs are in {out}",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["jax", "numpy", "relay", "torch"]
    for step, backend in ((3, "torch"), (6, "jax"), (10, "numpy")):
        record = load_checkpoint(checkpoint_path(out / "relay", step)).training
        assert (record.step, record.backend, record.dtype) == (step, backend, "float64")
    assert [row.step for row in read_metrics(out / "relay" / "metrics.jsonl")] == list(range(11))
    end = snapshot(out / "relay", 10).tensors
    assert len(end) == 3 * len(load_checkpoint(checkpoint_path(out / "relay", 10)).weights)
    for backend in BACKENDS:
        assert 0 < apart(end, snapshot(out / backend, 10).tensors).size <= 1e-8
    first = snapshot(out / "relay", 3).tensors
    assert apart(first, snapshot(out / "torch", 3).tensors).size == 0, "one backend so far"


def test_one_backend_in_several_legs_gives_the_same_bits(here, tmp_path, capsys) -> None:
    """And the checkpoint of every hand-over is still there at the end."""
    out = tmp_path / "out"
    options = ["--steps", "11", "--order", *["numpy"] * 5, "--out", str(out)]
    assert relay.main([*here, *options]) == 0
    for step in (2, 4, 6, 8, 11):
        runs = snapshot(out / "relay", step), snapshot(out / "numpy", step)
        assert apart(runs[0].tensors, runs[1].tensors).size == 0
    assert "agree to 0.0e+00" in capsys.readouterr().out


def rounded(weight: np.ndarray) -> np.ndarray:
    return weight.astype(np.float32).astype(weight.dtype)


FAULTS = {
    "moments are dropped": lambda s: replace(s, moments=tree.map(np.zeros_like, s.moments)),
    "a step is repeated": lambda s: replace(s, step=s.step - 1),
    "a step is left out": lambda s: replace(s, step=s.step + 1),
    "weights go through float32": lambda s: replace(s, weights=tree.map(rounded, s.weights)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_hand_over_loses_is_noticed(here, monkeypatch, capsys, fault) -> None:
    def damaged(*given) -> Preparation:
        ready = prepare(*given)
        start = ready.start and FAULTS[fault](ready.start)
        return replace(ready, start=start, weights=start.weights) if start else ready

    monkeypatch.setattr(legs, "prepare", damaged)
    assert relay.main([*here, "--steps", "8", "--order", "numpy", "numpy"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "Beyond the limit of 1e-08 from leg 2 on, numpy's" in shown
    assert "from numpy alone, in " in shown
    assert "Something is lost where numpy takes over" in shown


def test_what_only_one_side_has_is_infinitely_far() -> None:
    one, two = {"a": np.ones(1)}, {"a": np.ones(1), "b": np.ones(1)}
    assert apart(one, two) == apart(two, one) == Difference(np.inf, "b")
