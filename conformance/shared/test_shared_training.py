"""The training loop of shared/runs/loop.py in every backend, against a plain loop written here.

The plain loop draws its own batches and takes every validation loss from a new model with the
trainer's state. This shows that the same weights are trained, validated, saved and resumed.
Everything must agree bit for bit.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from conformance.cases import BASE
from conformance.shared.test_shared_loop import Shown, run
from conformance.subject import Backends
from conformance.truths.by_definition import WEIGHTS, dice, manifest, same_tensors, windows
from shared.checkpoints.checkpoint import load_checkpoint
from shared.config import GPTConfig, TrainConfig
from shared.protocol import Backend, Model, TrainState
from shared.runs.loop import TrainingResult
from shared.runs.metrics import Metrics, read_metrics
from shared.runs.stopping import StopRequest
from shared.schedule import learning_rate
from shared.text.datasets import TokenData

pytestmark = pytest.mark.needs("trainer")

IDS = np.arange(300) ** 2 % 37
# Validation: six windows in two batches of one shape, because JAX compiles each shape. Short
# windows are in test_shared_data.py. 131 bytes stand for the 66 targets.
DATA = TokenData(IDS[:200], IDS[200:267], 131, floor=0.5)
ADAMW = TrainConfig(
    *(8, 3, "adamw", 1e-2, 1e-3, "cosine", 2),
    **{"grad_clip": 0.5, "eval_interval": 3, "checkpoint_interval": 4, "seed": 5, "accumulate": 2},
)
SGD = replace(ADAMW, optimizer="sgd", learning_rate=0.3)


class Setting(NamedTuple):
    config: GPTConfig
    train: TrainConfig
    dtype: str

    @property
    def of_run(self) -> tuple[TrainConfig, TokenData, str]:
        return self.train, DATA, self.dtype


SETTINGS = {
    "tied-adamw-float32": Setting(replace(BASE, n_layer=1, tie_weights=True), ADAMW, "float32"),
    "untied-sgd-float64": Setting(replace(BASE, n_layer=1), SGD, "float64"),
}


def new_model(backend: Backend, setting: Setting) -> Model:
    rng, shapes = dice(3, WEIGHTS), manifest(setting.config)
    weights = {n: (0.3 * rng.standard_normal(s)).astype(setting.dtype) for n, s in shapes.items()}
    return backend.build(setting.config, weights, dtype=setting.dtype)


def validate(backend: Backend, setting: Setting, weights: dict[str, np.ndarray]) -> float:
    """Validate by a new model, which no trainer has touched."""
    model = backend.build(setting.config, weights, dtype=setting.dtype)
    tokens, targets = DATA.val[:-1].reshape(2, 3, 11), DATA.val[1:].reshape(2, 3, 11)
    return (model.loss(tokens[0], targets[0]) + model.loss(tokens[1], targets[1])) / 2


def plain_loop(backend: Backend, setting: Setting) -> tuple[list[Metrics], dict[int, TrainState]]:
    """The rows of metrics without the speed, and the states that should be saved."""

    def validated(row: Metrics, weights: dict[str, np.ndarray]) -> Metrics:
        loss = validate(backend, setting, weights)
        return replace(row, val_loss=loss, bits_per_byte=loss * 66 / (math.log(2) * 131))

    config, model = setting.train, new_model(backend, setting)
    trainer = model.trainer(config)
    rows, states = [validated(Metrics(0), model.weights())], {}
    for step in range(8):
        done = trainer.step(*windows(DATA.train, 3, 11, seed=5, step=step))
        row = Metrics(step + 1, done.loss, None, None, learning_rate(config, step), done.grad_norm)
        rows.append(validated(row, trainer.state().weights) if step in (2, 5, 7) else row)
        if step in (3, 4, 7):
            states[step + 1] = trainer.state()
    return rows, states


def go_on(path: Path, checkpoint: Path, backend: Backend, setting: Setting) -> TrainingResult:
    """Resume as after a restart of the program: everything comes from the files."""
    saved = load_checkpoint(checkpoint)
    model = backend.build(saved.config, saved.weights, dtype=saved.dtype)
    start = TrainState(saved.training.step, saved.weights, saved.moments)
    return run(path, model, *setting.of_run, start=start)


def compare_rows(path: Path, expected: list[Metrics]) -> None:
    found = read_metrics(path / "metrics.jsonl")
    assert [row.step for row in found] == [row.step for row in expected]
    for mine, right in zip(found, expected, strict=True):
        speed = mine.tokens_per_second
        assert speed is None if mine.step == 0 else 0 < speed < math.inf
        for name in ("loss", "grad_norm"):
            assert getattr(mine, name) == getattr(right, name), f"step {mine.step}: {name}"
        for name in ("val_loss", "learning_rate", "bits_per_byte"):
            value = getattr(right, name)
            wanted = None if value is None else pytest.approx(value, rel=1e-13)
            assert getattr(mine, name) == wanted, f"step {mine.step}: {name}"


def compare_checkpoint(path: Path, state: TrainState) -> None:
    """Check that the checkpoint holds this state and its step."""
    found = load_checkpoint(path)
    assert set(found.moments) == set(state.moments)
    pairs = {"weights": (found.weights, state.weights)}
    pairs |= {kind: (found.moments[kind], tensors) for kind, tensors in state.moments.items()}
    for what, (mine, right) in pairs.items():
        assert len(mine) == len(right), what
        same_tensors({name: mine[name] for name in right}, right, f"{path.name}: {what}")
    assert (found.training.step, found.training.dataset) == (state.step, "numbers")
    assert state.step == int(path.name)


@pytest.mark.parametrize("name", SETTINGS)
def test_training(tmp_path: Path, backends: Backends, backend_name: str, name: str) -> None:
    """Metrics and checkpoints of a training, and of one that is stopped and resumed."""
    backend, setting = backends[backend_name], SETTINGS[name]
    rows, states = plain_loop(backend, setting)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    model = new_model(backend, setting)
    result = run(whole, model, *setting.of_run)
    compare_rows(whole, rows)
    assert not result.stopped
    assert result.checkpoint == whole / "checkpoints" / "000008"
    assert [result.first, result.last] == read_metrics(whole / "metrics.jsonl")[::8]
    same_tensors(model.weights(), states[8].weights, "the model that was trained")
    assert sorted(path.name for path in (whole / "checkpoints").iterdir()) == ["000004", "000008"]
    for step, val_loss in ((4, None), (8, result.last.val_loss)):
        path = whole / "checkpoints" / f"{step:06d}"
        compare_checkpoint(path, states[step])
        assert load_checkpoint(path).training.val_loss == val_loss

    stop = StopRequest()
    model = new_model(backend, setting)
    stopped = run(broken, model, *setting.of_run, stop=stop, display=Shown(5, stop.ask))
    assert (stopped.stopped, stopped.reason, stopped.last.step) == (True, "", 5)
    compare_checkpoint(stopped.checkpoint, states[5])
    finished = go_on(broken, stopped.checkpoint, backend, setting)
    assert not finished.stopped
    compare_rows(broken, rows)
    for file in result.checkpoint.iterdir():
        assert (finished.checkpoint / file.name).read_bytes() == file.read_bytes(), file.name
    # As after a kill at the end of the run: rows past the checkpoint are replaced, not repeated.
    again = go_on(whole, whole / "checkpoints" / "000004", backend, setting)
    compare_rows(whole, rows)
    compare_checkpoint(again.checkpoint, states[8])
