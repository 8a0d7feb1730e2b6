"""The end of a training and its files: shared/runs/loop.py with a model that learns nothing. Its
losses are scripted, so that the tests can trigger every way to stop within milliseconds."""

import itertools
import json
import math
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from conformance.cases import BASE
from conformance.truths.by_definition import manifest
from shared.checkpoints.checkpoint import TrainingRecord
from shared.checkpoints.directories import checkpoints_by_step
from shared.config import RunLimits, TrainConfig
from shared.errors import RunError
from shared.processes import World
from shared.protocol import StepResult, TrainState
from shared.runs.bands import bands
from shared.runs.directory import RunDirectory
from shared.runs.loop import TrainingResult, train
from shared.runs.metrics import Metrics, append_metrics, keep_metrics, read_metrics, write_metrics
from shared.runs.progress import ProgressDisplay
from shared.runs.stopping import SIGNALS, StopRequest, stop_on_signals
from shared.text.datasets import TokenData
from shared.text.tokenizers import build_tokenizer

TOKENIZER = build_tokenizer("char", "".join(map(chr, range(65, 65 + 37))))
DATA = TokenData(np.arange(40) % 37, np.arange(13) % 37, 24, floor=0.25)
CONFIG = TrainConfig(6, 2, warmup_steps=0, eval_interval=2, checkpoint_interval=3)
VAL = {0: 4.0, 1: 3.5, 2: 3.0, 3: 1.0, 4: 2.0, 5: 2.5, 6: 2.75}


class Scripted:
    """A model and its trainer in one: its weights count the steps, its losses come from `VAL`."""

    config = BASE

    def __init__(self, **sick: float) -> None:
        self.count, self.sick = 0, sick
        self.evaluated, self.gathered = 0, 0  # targets, and states

    def trainer(self, config: TrainConfig) -> "Scripted":
        return self

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        self.evaluated += targets.size
        healthy = self.count == 0 and "at_once" not in self.sick
        return VAL[0] if healthy else self.sick.get("val_loss", VAL[self.count])

    def step(self, tokens: np.ndarray, targets: np.ndarray) -> StepResult:
        self.count += 1
        values = {"loss": 5.0 - self.count / 4, "grad_norm": 1.0 + self.count}
        if self.count == 4:
            values |= {name: value for name, value in self.sick.items() if name in values}
        return StepResult(**values, learning_rate=0.01)

    def load_state(self, state: TrainState) -> None:
        self.count = state.step

    def state(self) -> TrainState:
        self.gathered += 1
        fill = self.sick.get("weight", 1.0) if self.count >= 4 else 1.0
        tensors = {n: np.full(s, fill, np.float32) for n, s in manifest(BASE).items()}
        return TrainState(self.count, tensors, {"m": tensors, "v": tensors})


class Shown(ProgressDisplay):
    """Records its calls, and calls `act` at a step."""

    def __init__(self, step: int = -1, act: Callable[[], object] | None = None) -> None:
        self.rows: list[Metrics] = []
        self.step, self.act = step, act

    def update(self, row: Metrics) -> None:
        self.rows.append(row)
        if self.act is not None and row.step == self.step:
            self.act()


def run(
    path: Path,
    model: Any = None,
    config: TrainConfig = CONFIG,
    data: TokenData = DATA,
    dtype: str = "float32",
    overwrite: bool = False,
    **how: Any,
) -> TrainingResult:
    record = TrainingRecord(
        *(0, config.seed, "numbers", "0" * 64, config, "char", "none", dtype, None, {})
    )
    directory = RunDirectory(path)
    with directory.claim(resume="start" in how, overwrite=overwrite):
        return train(model or Scripted(), data, TOKENIZER, record, directory, **how)


def run_in_two(path: Path, model: Scripted, at: int = 4, **how: Any) -> TrainingResult:
    """The same training, stopped after some steps and resumed."""
    stop = StopRequest()
    run(path, model, stop=stop, display=Shown(at, stop.ask), **how)
    return run(path, model, start=model.state(), **how)


def saved(path: Path) -> list[int]:
    return sorted(int(entry.name) for entry in (path / "checkpoints").iterdir())


def test_rows_and_checkpoints(
    tmp_path: Path, pictures: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row for every step and one before the first; evaluated at every second step, saved at every
    third, both at the last. The same rows are logged, shown, returned and drawn."""
    shown, config = Shown(), replace(CONFIG, steps=5)
    monkeypatch.setattr("time.perf_counter", itertools.count(7).__next__)  # a step takes a second
    result = run(tmp_path, config=config, display=shown)
    assert shown.rows == read_metrics(tmp_path / "metrics.jsonl")
    assert [(row.step, row.loss, row.val_loss) for row in shown.rows] == [
        *((0, None, 4.0), (1, 4.75, None), (2, 4.5, 3.0)),
        *((3, 4.25, None), (4, 4.0, 2.0), (5, 3.75, 2.5)),
    ]
    assert [row.grad_norm for row in shown.rows] == [None, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert [row.tokens_per_second for row in shown.rows] == [None] + [2 * 11] * 5
    bits = [row.bits_per_byte for row in shown.rows if row.val_loss]  # 24 bytes, 12 targets
    assert bits == pytest.approx([loss / math.log(2) / 2 for loss in (4.0, 3.0, 2.0, 2.5)])
    assert (result.first, result.last) == (shown.rows[0], shown.rows[-1])
    assert (saved(tmp_path), result.stopped, result.reason) == ([3, 5], False, "")
    ((path, rows), named) = pictures[0]
    assert (path, rows, named["baselines"]["floor"]) == (tmp_path / "loss.png", shown.rows, 0.25)


# Limits, the step at which a stop is asked for, the last step, and the reason.
STOPS = {
    "the first evaluation at the target": (RunLimits(target_loss=3.0), -1, 2, "target-loss"),
    "a later one": (RunLimits(target_loss=2.999), -1, 4, "target-loss"),
    "at the last step": (RunLimits(target_loss=1.5), -1, 6, ""),
    "the time is over": (RunLimits(max_seconds=1e-9), -1, 1, "max-seconds"),
    "asked before the first step": (RunLimits(), 0, 1, ""),
    "asked at a step": (RunLimits(), 4, 4, ""),
    "asked at the last step": (RunLimits(), 6, 6, ""),
}


@pytest.mark.parametrize(("limits", "asked", "last", "reason"), STOPS.values(), ids=STOPS)
def test_stops(tmp_path: Path, limits: RunLimits, asked: int, last: int, reason: str) -> None:
    """The step that reaches a limit, or is asked to stop, is finished and saved, and is the last. A
    training that reaches its end was not stopped. Limits are the same if it is resumed."""
    stop = StopRequest()
    result = run(tmp_path, limits=limits, stop=stop, display=Shown(asked, stop.ask))
    assert (result.stopped, result.last.step) == (last < 6, last)
    assert reason in result.reason
    assert bool(reason) == bool(result.reason)
    assert saved(tmp_path)[-1] == int(result.checkpoint.name) == last
    if asked < 0:
        resumed = run_in_two(tmp_path / "in two", Scripted(), at=1, limits=limits)
        assert (resumed.last.step, resumed.reason) == (max(last, 2), result.reason)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_a_request_while_a_training_lasts(number: int) -> None:
    """Afterwards, the caller's own handler is back."""
    before = signal.signal(number, pytest.fail)
    try:
        with stop_on_signals(announce=False) as stop:
            signal.raise_signal(number)
        assert stop
        assert signal.getsignal(number) is pytest.fail
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("late", [None, 9.0])
def test_processes_stop_together(tmp_path: Path, rank: int, late: float | None) -> None:
    """If another one was asked to, or its time is over. All gather the state, of which each may
    keep a part; only process 0 writes."""
    world = World(rank, 2, lambda seconds, asked: (late, asked) if late else (seconds, 1.0))
    model = Scripted()
    result = run(tmp_path, model, limits=RunLimits(late), world=world)
    assert (result.last.step, bool(result.reason), model.gathered) == (1, bool(late), 1)
    assert saved(tmp_path) == [1] * (rank == 0)
    assert (tmp_path / "metrics.jsonl").exists() == (rank == 0)


@pytest.mark.parametrize("windows", [None, 2])
def test_some_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: Any) -> None:
    """Whenever it is evaluated. A band is of losses on all four of them, and of a step done now."""
    monkeypatch.setattr("shared.runs.loop.find_band", lambda *_: "a band")
    how = {"data": replace(DATA, val=np.arange(45) % 37), "limits": RunLimits(eval_windows=windows)}
    models = Scripted(), Scripted()
    results = run(tmp_path / "1", models[0], **how), run_in_two(tmp_path / "2", models[1], **how)
    for model, result in zip(models, results, strict=True):
        assert model.evaluated == 4 * 11 * (windows or 4), "at steps 0, 2, 4 and 6"
        assert result.band == (None if windows else "a band")
    assert run(tmp_path / "1", start=models[0].state(), **how).band is None


def test_bands_hold_the_seeds_they_were_measured_with() -> None:
    """At every step, all or all but one, as 3 standard deviations should. (One is an outlier.)"""
    for band in bands():
        for step, losses in band.val_losses.items():
            inside = sum(band.inside(step, loss) for loss in losses)
            assert inside >= band.seeds - 1, (band.preset, step)


def test_a_finished_run_goes_on_to_itself(tmp_path: Path) -> None:
    model = Scripted()
    first = run(tmp_path, model)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    assert run(tmp_path, start=model.state()) == first
    assert run(tmp_path, start=model.state(), world=World(1, 2)).last.step == first.last.step
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


# Intervals of evaluation and of checkpoints, how many to keep, and the steps of those kept.
KEPT = [
    (1, 1, 1, [3, 6]),
    (1, 1, 2, [3, 5, 6]),
    (1, 1, 4, [3, 4, 5, 6]),
    (1, 2, 1, [4, 6]),  # step 3 has the lowest loss but no checkpoint
    (2, 1, 1, [4, 6]),  # step 3 is never evaluated
]


@pytest.mark.parametrize(("of_eval", "of_checkpoints", "keep", "kept"), KEPT)
def test_the_newest_checkpoints_and_the_best_are_kept(
    tmp_path: Path, of_eval: int, of_checkpoints: int, keep: int, kept: list[int]
) -> None:
    """Step 3 is the best, provided it is evaluated and saved."""
    config = replace(CONFIG, eval_interval=of_eval, checkpoint_interval=of_checkpoints)
    limits = RunLimits(keep_checkpoints=keep)
    run(tmp_path / "whole", config=config, limits=limits)
    run_in_two(tmp_path / "in two", Scripted(), config=config, limits=limits)
    assert saved(tmp_path / "whole") == saved(tmp_path / "in two") == kept


def test_a_crash_while_one_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any of its files, its name was: it is no checkpoint, and goes when the run goes on."""
    model = Scripted()
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, model, limits=RunLimits(keep_checkpoints=1))
    assert list(checkpoints_by_step(tmp_path / "checkpoints")) == [6]
    run(tmp_path, start=model.state())
    assert saved(tmp_path) == [6]


SICK = {"loss": (math.nan, 4), "grad_norm": (math.inf, 4), "val_loss": (-math.inf, 2)}
SICK["weight"] = (math.nan, 6)


@pytest.mark.parametrize("what", SICK)
def test_what_is_not_finite_ends_a_training(tmp_path: Path, what: str) -> None:
    """The error names the step; there is no row of it, and no checkpoint after it."""
    value, step = SICK[what]
    good = tmp_path / "checkpoints" / "000003" if step > 3 else "none was saved yet"
    message = rf"step {step}: .*{what}.*(nan|inf).*\nLast good checkpoint: {good}$"
    with pytest.raises(RunError, match=message):
        run(tmp_path, Scripted(**{what: value}))
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert rows[-1].step == (step if what == "weight" else step - 1)
    assert saved(tmp_path) == [3] * (step > 3)


def test_a_run_is_replaced_by_one_that_has_saved(tmp_path: Path) -> None:
    """Only on request, by one writer at a time; until the new run has saved, the old one stays."""
    path, short = tmp_path / "deep" / "run", replace(CONFIG, steps=4)
    run(path)
    before = (path / "metrics.jsonl").read_bytes()
    with pytest.raises(RunError, match="already holds a run"):
        run(path)
    with pytest.raises(RunError, match=r"step 0.*\n.*run that was to be replaced stays"):
        run(path, Scripted(val_loss=math.nan, at_once=1.0), overwrite=True)
    assert (saved(path), (path / "metrics.jsonl").read_bytes()) == ([3, 6], before)
    with pytest.raises(RunError, match="weight"):
        run(path, Scripted(weight=math.nan), overwrite=True)
    assert saved(path) == [3]
    for name in ("notes.txt", "loss.png", "checkpoints/.001000.tmp-1-ab/config.json"):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("old")
    run(path, config=short, overwrite=True)
    left = [".lock", "checkpoints", "metrics.jsonl", "notes.txt"]
    assert sorted(entry.name for entry in path.iterdir()) == left
    assert (saved(path), read_metrics(path / "metrics.jsonl")[-1].step) == ([3, 4], 4)
    with RunDirectory(path).claim(resume=True), pytest.raises(RunError, match="in use"):
        run(path, overwrite=True)


@pytest.mark.parametrize("stranger", ["holiday.jpg", "000500", "000500.backup/x", "000500/notes"])
def test_what_is_no_part_of_a_run_is_not_deleted(tmp_path: Path, stranger: str) -> None:
    file = tmp_path / "checkpoints" / stranger
    (tmp_path / "checkpoints" / "000400").mkdir(parents=True)
    file.parent.mkdir(exist_ok=True)
    file.write_text("dear to me")
    with pytest.raises(RunError, match="not part of a run"):
        run(tmp_path, overwrite=True)
    assert file.read_text() == "dear to me"
    assert (tmp_path / "checkpoints" / "000400").exists()


def test_metrics_are_written_and_read(tmp_path: Path) -> None:
    """Every number is exact to the bit; a truncated line is ignored."""
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    with pytest.raises(RunError, match="No such file"):
        append_metrics(path, Metrics(1))
    rows = [Metrics(0, val_loss=0.1 + 0.2), Metrics(1, *(i / 7 for i in range(1, 7)))]
    write_metrics(path, rows[:1])
    append_metrics(path, rows[1])
    assert read_metrics(path) == rows
    keys = ["step", "loss", "val_loss", "bits_per_byte", "learning_rate", "grad_norm"]
    keys.append("tokens_per_second")
    assert [list(json.loads(line)) for line in path.read_text().splitlines()] == [keys, keys]
    row = json.dumps(asdict(rows[1]))
    for end in range(1, len(row)):  # killed while it was written
        with path.open("a") as file:
            file.write(row[:end])
        assert read_metrics(path) == keep_metrics(path, 1) == rows
        append_metrics(path, Metrics(2))
        assert read_metrics(path) == [*rows, Metrics(2)]
        assert keep_metrics(path, 1) == rows
    for wrong in ("nonsense", "[1]", "{}", '{"step": true}', '{"step": 1, "val_loss": NaN}'):
        path.write_text(f'{{"step": 0}}\n{wrong}\n')
        with pytest.raises(RunError, match=r"metrics\.jsonl, line 2"):
            read_metrics(path)
