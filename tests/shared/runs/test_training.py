"""The training loop: runs that can go on, metrics that cannot be read, sickness, signals."""

import math
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.checkpoints.checkpoint import (
    TrainingRecord,
    load_checkpoint,
    newest_checkpoint,
)
from shared.config import GPTConfig, SampleConfig, TrainConfig
from shared.errors import RunError
from shared.layout import init_weights
from shared.protocol import BACKENDS, Model, StepResult, TrainState, load_backend
from shared.runs.directory import RunDirectory
from shared.runs.loop import TrainingResult, train
from shared.runs.metrics import Metrics, append_metrics, read_metrics
from shared.runs.progress import ProgressDisplay
from shared.runs.stopping import StopRequest, stop_on_signals
from shared.text.datasets import TokenData
from shared.text.tokenizers import Tokenizer, build_tokenizer

TEXT = "the quick brown fox jumps over the lazy dog; " * 40
TOKENIZER: Tokenizer = build_tokenizer("char", TEXT)
IDS = TOKENIZER.encode(TEXT)
DATA = TokenData(IDS[:1500], IDS[1500:], len(IDS) - 1501, floor=0.5)
CONFIG = GPTConfig(TOKENIZER.vocab_size, block_size=8, n_layer=1, n_head=2, n_embd=8)
STEPS = TrainConfig(
    steps=9,
    batch_size=4,
    learning_rate=1e-2,
    warmup_steps=2,
    eval_interval=4,
    checkpoint_interval=3,
)


def build(backend: str = "numpy", dtype: str = "float32") -> Model:
    weights = init_weights(CONFIG, STEPS.seed, dtype)
    return load_backend(backend).build(CONFIG, weights, dtype=dtype)


def record(config: TrainConfig = STEPS) -> TrainingRecord:
    return TrainingRecord(
        0, config.seed, "foxes", "0" * 64, config, "char", "any", "float32", None, {"python": "3"}
    )


def run_training(path: Path, model: Model, config: TrainConfig = STEPS, **how) -> TrainingResult:
    run = RunDirectory(path)
    with run.claim(resume="start" in how):
        return train(model, DATA, TOKENIZER, record(config), run, **how)


def state_in(checkpoint: Path) -> TrainState:
    loaded = load_checkpoint(checkpoint)
    return TrainState(loaded.training.step, loaded.weights, loaded.moments)


class StopAt(ProgressDisplay):
    """Asks for a stop while a certain step is shown, as somebody at the keyboard would."""

    def __init__(self, step: int, stop: StopRequest) -> None:
        self.step, self.stop = step, stop

    def update(self, row: Metrics) -> None:
        if row.step == self.step:
            self.stop.ask()


def timeless(path: Path) -> list[Metrics]:
    return [replace(row, tokens_per_second=None) for row in read_metrics(path / "metrics.jsonl")]


# Resuming


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("stop_at", [0, 4, 6])
def test_a_resumed_run_ends_as_the_one_that_was_never_stopped(tmp_path, backend, stop_at):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run_training(unbroken, build(backend))

    stop = StopRequest()
    stopped = run_training(broken, build(backend), stop=stop, display=StopAt(stop_at, stop))
    assert stopped.stopped
    assert stopped.last.step == max(1, stop_at)
    model = build(backend)
    finished = run_training(broken, model, start=state_in(stopped.checkpoint))
    assert not finished.stopped

    assert timeless(broken) == timeless(unbroken)
    ends = [run / "checkpoints" / "000009" for run in (broken, unbroken)]
    for file in ends[1].iterdir():
        assert (ends[0] / file.name).read_bytes() == file.read_bytes(), file.name
    prompt = TOKENIZER.encode("the ")
    sampling = SampleConfig(max_new_tokens=20)
    again = load_backend(backend).build(CONFIG, load_checkpoint(ends[1]).weights)
    assert [*model.generate(prompt, sampling)] == [*again.generate(prompt, sampling)]


def test_a_finished_run_resumes_to_itself(tmp_path):
    first = run_training(tmp_path / "run", build())
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    again = run_training(tmp_path / "run", build(), start=state_in(first.checkpoint))
    assert again == first
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


# Metrics


def test_appending_to_metrics_needs_the_file(tmp_path):
    with pytest.raises(RunError, match="No such file"):
        append_metrics(tmp_path / "metrics.jsonl", Metrics(step=1))


# Sickness and failures


class SickTrainer:
    """A real trainer whose results go wrong at one step."""

    def __init__(self, healthy, step: int, **wrong: float) -> None:
        self.healthy, self.sick_step, self.wrong = healthy, step, wrong

    def step(self, tokens, targets) -> StepResult:
        result = self.healthy.step(tokens, targets)
        return replace(result, **self.wrong) if self.healthy.count == self.sick_step else result

    def load_state(self, state: TrainState) -> None:
        self.healthy.load_state(state)

    def state(self) -> TrainState:
        state = self.healthy.state()
        if not self.wrong and state.step >= self.sick_step:
            state.weights["lm_head.weight"][1, 2] = np.nan
        return state


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"loss": math.nan}, "step 5: loss is nan"),
        ({"grad_norm": math.inf}, "step 5: grad_norm is inf"),
        ({}, "step 6: .*lm_head.weight.*nan"),
    ],
)
def test_what_is_not_finite_stops_the_training_and_spoils_nothing(
    tmp_path, monkeypatch, wrong, message
):
    model = build()
    trainer = SickTrainer(model.trainer(STEPS), 5, **wrong)
    monkeypatch.setattr(model, "trainer", lambda config: trainer)
    with pytest.raises(RunError, match=message) as error:
        run_training(tmp_path / "run", model)
    good = tmp_path / "run" / "checkpoints" / "000003"
    assert f"Last good checkpoint: {good}" in str(error.value)
    assert len(str(error.value).splitlines()) == 2
    assert newest_checkpoint(tmp_path / "run") == good
    assert all(
        math.isfinite(row.loss) for row in read_metrics(tmp_path / "run" / "metrics.jsonl")[1:]
    )


def test_a_directory_that_vanishes_is_reported(tmp_path):
    path = tmp_path / "run"

    class Vandal(ProgressDisplay):
        def update(self, row: Metrics) -> None:
            if row.step == 4:
                path.rename(tmp_path / "elsewhere")

    with pytest.raises(RunError, match=r"metrics\.jsonl: No such file or directory"):
        run_training(path, build(), display=Vandal())
    assert newest_checkpoint(tmp_path / "elsewhere").name == "000003"


def test_a_directory_that_vanishes_while_saving_is_reported(tmp_path, monkeypatch):
    path = tmp_path / "run"
    monkeypatch.setattr("shared.runs.loop.sync_metrics", lambda _: path.rename(tmp_path / "gone"))
    with pytest.raises(RunError, match="is no longer there, and with it the last good checkpoint"):
        run_training(path, build())


# Signals


def test_signals_are_requests_inside_and_as_before_outside():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for number in (signal.SIGINT, signal.SIGTERM):
        with stop_on_signals() as stop:
            assert not stop
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # an impatient second one changes nothing
            assert stop
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_training_works_outside_the_main_thread():
    seen = []

    def work() -> None:
        with stop_on_signals() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
