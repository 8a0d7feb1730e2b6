"""The same training compiled and not, and in float32 and bfloat16: two pictures."""

import os
from contextlib import nullcontext, suppress
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from matplotlib.figure import Figure

from docs.data import Drawing, Producer
from docs.producers.drawing import BACKEND_COLORS, INK, in_page_colors, to_svg
from docs.producers.losses import small_task
from lessons.alone import run_alone
from lessons.compare.training import Task, train_backend
from shared.errors import BackendError

STEPS = 200
TIMED = {"torch": 60, "torch@compile": 60, "jax@nojit": 2, "jax": 60}
"""Steps to measure after the first. Those of jax@nojit are slow."""
HALF = {"torch@bf16": "--", "jax@bf16": "-"}
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
"""PyTorch gets one core, and no cache of compiled code."""


def one_block(steps: int) -> Task:
    """The usual task with one block, validated on one batch: each shape compiles for seconds."""
    task = small_task(steps, n_layer=1)
    tokens = task.train.batch_size * task.config.block_size + 1
    return replace(task, data=replace(task.data, val=task.data.val[:tokens]))


def measure_steps() -> dict[str, dict[str, float]]:
    """The first step, and the median of the others in ms, in each available mode."""
    found = {}
    with patch.dict(os.environ, ENVIRONMENT):
        for name, steps in TIMED.items():
            with suppress(BackendError) if "@" in name else nullcontext():  # no C++ compiler
                report = run_alone(train_backend, name, one_block(1 + steps))
                found[name] = {"first": report.first_step, "step": 1e3 * report.step}
    return found


def measure_losses() -> dict[str, list[float]]:
    """The losses of the same training in float32 and bfloat16."""
    task = one_block(STEPS)
    return {name: run_alone(train_backend, name, task).losses for name in ("torch", *HALF)}


@in_page_colors
def draw_steps(data: dict[str, dict[str, float]]) -> Drawing:
    """Draw bars on logarithmic axes: the first step, which compiles, and all others."""
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    titles = {"first": "the first step (seconds)", "step": "a later step (ms)"}
    for axes, (key, title) in zip(figure.subplots(2, 1, sharey=True), titles.items(), strict=True):
        values = [each[key] for each in data.values()]
        colors = [BACKEND_COLORS[name.partition("@")[0]] for name in data]
        axes.bar_label(axes.barh(list(data), values, 0.7, color=colors), fmt="{:.3g}", padding=3)
        axes.set(xlabel=title, xscale="log", xlim=(None, 4 * max(values)))
    axes.invert_yaxis()  # both, since they share it
    alt = "Bars: the seconds of the first training step, and the milliseconds of a later one."
    for name, each in data.items():
        alt += f" {name}: {each['first']:.3g} s, then {each['step']:.3g} ms."
    return Drawing(to_svg(figure), alt)


@in_page_colors
def draw_losses(data: dict[str, list[float]]) -> Drawing:
    """Draw the losses, and below them how far those in bfloat16 are from those in float32."""
    figure, exact = Figure(figsize=(7.5, 5.5), layout="constrained"), data["torch"]
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(exact, color=INK, lw=3, label="torch, float32")
    alt = f"Above, the losses of {len(exact)} steps, one curve to the eye; the last 20 average "
    alt += f"{np.mean(exact[-20:]):.3f} in float32. Below, how far those in bfloat16 are from it."
    for name, dash in HALF.items():
        losses, color = data[name], BACKEND_COLORS[name.partition("@")[0]]
        apart = np.subtract(losses, exact)
        above.plot(losses, color=color, lw=1.2, ls=dash, label=name)
        below.plot(apart, color=color, lw=1.2, ls=dash)
        alt += f" {name}: never more than {np.abs(apart).max():.1e}, on average {apart.mean():.1e};"
        alt += f" its last 20 average {np.mean(losses[-20:]):.3f}."
    above.set(ylabel="loss (nats per token)")
    above.legend()
    below.set(xlabel="step", ylabel="difference from float32")
    return Drawing(to_svg(figure), alt)


PRODUCERS = (
    Producer("compiling", "a step compiled and not, a minute", measure_steps, draw_steps),
    Producer("bfloat16", f"{STEPS} steps in bfloat16", measure_losses, draw_losses),
)
