"""The training loop: update, evaluate, log, save, and stop where it can resume."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from shared.checkpoints.checkpoint import (
    TrainingRecord,
    checkpoint_path,
    newest_checkpoint,
    save_checkpoint,
)
from shared.config import RunLimits
from shared.errors import CheckpointError, RunError
from shared.processes import World
from shared.protocol import Model, Trainer, TrainState
from shared.runs.bands import Band, find_band
from shared.runs.baselines import baselines
from shared.runs.directory import RunDirectory
from shared.runs.metrics import Metrics, append_metrics, keep_metrics, sync_metrics, write_metrics
from shared.runs.progress import ProgressDisplay
from shared.runs.stopping import StopRequest, limit_reached
from shared.text.datasets import TokenData, batch, validation_windows
from shared.text.tokenizers import Tokenizer


@dataclass(frozen=True)
class TrainingResult:
    """Where a training run ended."""

    first: Metrics
    """The row of step 0, before any training."""
    last: Metrics
    """The row of its last step."""
    checkpoint: Path
    """Holds the weights after that step."""
    stopped: bool
    """It ended before its last step, on request or at a limit."""
    reason: str
    """The limit that was reached; empty if none was."""
    undrawn: str
    """Why there is no loss.png; empty if there is one. No run fails because of its plot."""
    band: Band | None
    """The losses of other seeds. None if its recipe was not measured, or it validates on a part."""


def evaluate(
    model: Model,
    val_ids: Int[np.ndarray, " M"],
    batch_size: int,
    windows: int | None = None,
    display: ProgressDisplay | None = None,
) -> float:
    """The mean loss over the whole validation split, or over `windows` of its windows, in nats per
    token.

    Every token counts the same: batches are weighted by size, because the last may be smaller.
    """
    total, count, display = 0.0, 0, display or ProgressDisplay()
    size = model.config.block_size
    every = len(val_ids) - 1 if windows is None else min(len(val_ids) - 1, windows * size)
    for tokens, targets in validation_windows(val_ids, size, batch_size, windows):
        total += model.loss(tokens, targets) * targets.size
        count += targets.size
        display.validating(count, every)
    return total / count


# A value that is not finite stops training with an error; NumPy need not warn about it, too.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def train(
    model: Model,
    data: TokenData,
    tokenizer: Tokenizer,
    record: TrainingRecord,
    run: RunDirectory,
    *,
    start: TrainState | None = None,
    stop: StopRequest | None = None,
    limits: RunLimits | None = None,
    display: ProgressDisplay | None = None,
    world: World | None = None,
) -> TrainingResult:
    """Train `model` in place, from `start` or its first step to step `record.train.steps`.

    Everything that a step depends on is in the checkpoint or a pure function of the step, so a
    resumed run ends exactly as an uninterrupted one.

    Args:
        model: has the weights of `start`, or the initial ones.
        data: batches are drawn from its training part; evaluation uses the validation part.
        tokenizer: kept in the checkpoints.
        record: what is trained and how. Checkpoints store a copy, with their step and loss.
        run: where metrics.jsonl, checkpoints and loss.png go; the caller has claimed it.
        start: the state to resume from. Rows of metrics that are past its step are dropped.
        stop: once it is true, the current step is finished and saved, and training ends.
        limits: a time or loss at which training ends likewise; how many checkpoints to keep.
        display: receives every row of metrics.
        world: the processes that train together. All call this; only process 0 writes to `run`.

    Raises:
        RunError: a loss, a gradient or a weight is not finite, or the run's directory cannot be
            written. Earlier checkpoints are still there, and the message names the last.
    """
    config, began = record.train, time.monotonic()
    limits, display = limits or RunLimits(), display or ProgressDisplay()
    world = world or World()
    writes = world.rank == 0
    trainer = model.trainer(config)
    done = 0
    if start is not None:
        trainer.load_state(start)
        done = start.step
    rows = [] if start is None else [Metrics(done)]
    if writes and start is None:
        write_metrics(run.metrics, [])
    elif writes:
        rows = keep_metrics(run.metrics, done)

    def log(row: Metrics) -> None:
        if writes:
            append_metrics(run.metrics, row)
        rows.append(row)
        display.update(row)

    def validated(row: Metrics) -> Metrics:
        """`row` with the validation loss. Batches are as large as in training, to bound memory."""
        val_loss = evaluate(model, data.val, config.batch_size, limits.eval_windows, display)
        _check_finite(run, row.step, val_loss=val_loss)
        bits = val_loss / math.log(2) / data.bytes_per_token
        return replace(row, val_loss=val_loss, bits_per_byte=bits)

    if start is None:
        log(validated(Metrics(step=0)))
    checkpoint = checkpoint_path(run.path, done)
    stopped, reason = False, ""
    while done < config.steps and not stopped:
        row = _update(trainer, data, record, model.config.block_size, done, run)
        done += 1
        if done % config.eval_interval == 0 or done == config.steps:
            row = validated(row)
        log(row)
        seconds, asked = world.most(time.monotonic() - began, float(bool(stop)))
        reason = limit_reached(limits, row, seconds)
        stopped = (bool(asked) or bool(reason)) and done < config.steps
        due = done % config.checkpoint_interval == 0 or done == config.steps or stopped
        state = trainer.state() if due else None  # in all processes: each may keep a part
        if state and writes:
            checkpoint = _save(state, model, tokenizer, record, row, run)
            if limits.keep_checkpoints is not None:
                run.retire(rows, limits.keep_checkpoints)
    whole = limits.eval_windows is None and (start is None or start.step < config.steps)
    band = find_band(model.config, record) if whole else None
    undrawn = _plot(run, rows, data, record, model.config.vocab_size, band) if writes else ""
    return TrainingResult(rows[0], rows[-1], checkpoint, stopped, reason, undrawn, band)


def _update(
    trainer: Trainer,
    data: TokenData,
    record: TrainingRecord,
    block_size: int,
    done: int,
    run: RunDirectory,
) -> Metrics:
    """Do the update that follows `done` updates, and return its metrics."""
    config = record.train
    tokens, targets = batch(
        data.train, batch_size=config.batch_size, block_size=block_size, seed=config.seed, step=done
    )
    began = time.perf_counter()
    result = trainer.step(tokens, targets)
    seconds = time.perf_counter() - began
    row = Metrics(
        step=done + 1,
        loss=result.loss,
        learning_rate=result.learning_rate,
        grad_norm=result.grad_norm,
        tokens_per_second=tokens.size / seconds,
    )
    _check_finite(run, row.step, loss=result.loss, grad_norm=result.grad_norm)
    return row


def _check_finite(run: RunDirectory, step: int, **values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise RunError(f"training stopped at step {step}: {name} is {value}\n{last_good(run)}")


def last_good(run: RunDirectory) -> str:
    """A sentence that names the checkpoint a failed run leaves."""
    if not run.checkpoints.is_dir():
        return f"{run.checkpoints} is no longer there, and with it the last good checkpoint"
    good = newest_checkpoint(run.path)
    if good is not None and run.replaced in good.parents:
        return "No checkpoint was saved yet; the run that was to be replaced stays"
    return f"Last good checkpoint: {good or 'none was saved yet'}"


def _save(
    state: TrainState,
    model: Model,
    tokenizer: Tokenizer,
    record: TrainingRecord,
    row: Metrics,
    run: RunDirectory,
) -> Path:
    """Write the checkpoint of `row.step`, whole or not at all.

    `save_checkpoint` refuses weights that are not finite: the loss may still have been finite
    before an update that was not.
    """
    path = checkpoint_path(run.path, row.step)
    sync_metrics(run.metrics)  # a checkpoint guarantees that the rows up to it exist
    try:
        save_checkpoint(
            path,
            model.config,
            state.weights,
            tokenizer=tokenizer,
            training=replace(record, step=row.step, val_loss=row.val_loss),
            moments=state.moments,
        )
    except CheckpointError as error:
        raise RunError(f"cannot save step {row.step}: {error}\n{last_good(run)}") from error
    return path


def _plot(
    run: RunDirectory,
    rows: list[Metrics],
    data: TokenData,
    record: TrainingRecord,
    vocab_size: int,
    band: Band | None,
) -> str:
    """Draw loss.png. Returns the reason if that fails: matplotlib reads the user's configuration,
    and can raise anything."""
    try:
        from shared.runs.plots import plot_losses  # here: matplotlib takes half a second

        title = f"{record.backend} on {record.dataset}"
        known = baselines(data, vocab_size)
        plot_losses(run.plot, rows, baselines=known, title=title, band=band)
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""
