"""The same training compiled and not, and in float32 and bfloat16: two pictures."""

import os
import statistics
import time
from contextlib import nullcontext, suppress
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from docs.data import Drawing, Producer
from docs.producers.drawing import BACKEND_COLORS, INK, in_page_colors, to_svg
from docs.producers.losses import small_task
from lessons.alone import run_alone
from lessons.compare.training import Task
from shared.errors import BackendError
from shared.protocol import load_backend, precisions
from shared.text.datasets import batch

STEPS = 200
TIMED = {"torch": 60, "torch@compile": 60, "jax@nojit": 2, "jax": 60}
"""Steps to measure after the first. Those of the third are slow."""
HALF = {"torch@bf16": "--", "jax@bf16": "-"}


def train(name: str, task: Task, steps: int) -> tuple[list[float], list[float]]:
    """The loss and the seconds of each step. PyTorch gets one core, and no cache to compile into;
    it reads so when it is loaded."""
    os.environ |= {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    backend, losses, seconds = load_backend(name), [], []
    model = backend.build(task.config, task.weights, dtype=precisions(backend)[0])
    trainer = model.trainer(task.train)
    sizes = {"batch_size": task.train.batch_size, "block_size": task.config.block_size}
    for step in range(steps):
        tokens, targets = batch(task.data.train, **sizes, seed=task.train.seed, step=step)
        began = time.perf_counter()
        losses.append(trainer.step(tokens, targets).loss)
        seconds.append(time.perf_counter() - began)
    return losses, seconds


def measure_steps() -> dict[str, dict[str, float]]:
    """For one block: the first step, and the median of the others in ms, in each mode there is."""
    task, found = small_task(STEPS, n_layer=1), {}
    for name, steps in TIMED.items():
        with suppress(BackendError) if "@" in name else nullcontext():  # without a C++ compiler
            _, (first, *others) = run_alone(train, name, task, 1 + steps)
            found[name] = {"first": first, "step": 1e3 * statistics.median(others)}
    return found


def both() -> dict[str, list[float]]:
    """The losses of the same training in float32 and bfloat16."""
    task = small_task(STEPS, n_layer=1)
    return {name: train(name, task, STEPS)[0] for name in ("torch", *HALF)}


@in_page_colors
def draw_steps(data: dict[str, dict[str, float]]) -> Drawing:
    """Bars on logarithmic axes: the first step, which compiles, and all others."""
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
    """Above the losses, below how far those in bfloat16 are from those in float32."""
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
    Producer("bfloat16", f"{STEPS} steps in bfloat16", partial(run_alone, both), draw_losses),
)
