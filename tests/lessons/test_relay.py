"""The relay agrees with every backend alone, and detects losses in a hand-over."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jax import tree

from lessons import relay
from lessons.alone import train_quietly
from lessons.relay import Difference, apart
from shared.checkpoints.checkpoint import checkpoint_path, load_checkpoint
from shared.commands.prepare import Preparation, prepare
from shared.protocol import BACKENDS
from shared.runs.metrics import read_metrics


@pytest.fixture
def here(tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A relay in this process. Gives the options for it."""
    monkeypatch.setattr(relay, "train_alone", train_quietly)
    return tiny


def test_the_relay_ends_where_every_backend_alone_ends(here, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert relay.main([*here, "--steps", "10", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "nothing was lost at a hand-over" in shown.out
    assert [line.split(":")[0] for line in shown.err.splitlines()] == [
        *("data", "leg 1 of 3", "leg 2 of 3", "leg 3 of 3", *["beside it"] * 3),
        f"the runs are in {out}",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["jax", "numpy", "relay", "torch"]
    for step, backend in ((3, "torch"), (6, "jax"), (10, "numpy")):
        record = load_checkpoint(checkpoint_path(out / "relay", step)).training
        assert (record.step, record.backend, record.dtype) == (step, backend, "float64")
    assert [row.step for row in read_metrics(out / "relay" / "metrics.jsonl")] == list(range(11))
    assert set(load_checkpoint(checkpoint_path(out / "relay", 10)).moments) == {"m", "v"}
    differences = re.findall(r"│ (\w+) alone +│ +[\d.]+ │ +([\d.e-]+) │", shown.out)
    assert {backend for backend, _ in differences} == set(BACKENDS)
    assert all(0 < float(size) <= 1e-8 for _, size in differences)


def test_one_backend_in_several_legs_gives_the_same_bits(here, capsys) -> None:
    """And the checkpoint of every hand-over is still there at the end."""
    options = ["--steps", "11", "--order", *["numpy"] * 5, "--out", "out"]
    assert relay.main([*here, *options]) == 0
    assert re.search(r"│ numpy alone +│ +[\d.]+ │ +0 │", capsys.readouterr().out)
    saved = sorted(path.name for path in Path("out/relay/checkpoints").iterdir())
    assert saved == ["000002", "000004", "000006", "000008", "000011"]


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

    monkeypatch.setattr("shared.commands.train.prepare", damaged)
    assert relay.main([*here, "--steps", "8", "--order", "numpy", "numpy"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search("Beyond the limit of 1e-08: .* from numpy alone, in ", shown)
    assert "Something is lost at a hand-over" in shown


def test_what_only_one_side_has_is_infinitely_far() -> None:
    one, two = {"a": np.ones(1)}, {"a": np.ones(1), "b": np.ones(1)}
    assert apart(one, two) == apart(two, one) == Difference(np.inf, "b")
