"""The same training in the three backends: their losses, and how far apart they are."""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from docs.data import Drawing, Producer
from docs.producers.drawing import BACKEND_COLORS, BACKEND_STYLES, INK, in_page_colors, to_svg
from lessons.alone import run_alone
from lessons.compare.training import Task, train_backend
from shared.config import GPTConfig, SampleConfig, TrainConfig
from shared.layout import init_weights
from shared.protocol import BACKENDS
from shared.text.datasets import encode_dataset, fit_tokenizer, load_dataset

STEPS = 300
LAST_PLACE = float(np.spacing(np.float32(3.0)))
"""The value of the last bit of a loss between 2 and 4 in float32."""
VALIDATED = 4_000
"""Tokens of the validation text to evaluate; few, for speed."""


def small_task(steps: int, n_layer: int = 2) -> Task:
    """A small model, and its training on a text that needs no download."""
    dataset = load_dataset("playlets")
    tokenizer = fit_tokenizer(dataset, "char")
    config = GPTConfig(tokenizer.vocab_size, 32, n_layer, n_head=4, n_embd=64)
    train = TrainConfig(steps=steps, batch_size=8, learning_rate=3e-3, warmup_steps=20)
    data = encode_dataset(dataset, tokenizer, config.block_size)
    data = replace(data, val=data.val[:VALIDATED])
    weights, prompt = init_weights(config, train.seed), tokenizer.encode("\n")
    return Task(config, weights, train, data, prompt, SampleConfig(1))


def measure() -> dict[str, Any]:
    """Train in all three backends, from the same weights on the same batches."""
    task = small_task(STEPS)
    reports = {backend: run_alone(train_backend, backend, task) for backend in BACKENDS}
    return {"steps": STEPS, "losses": {name: report.losses for name, report in reports.items()}}


@in_page_colors
def draw(data: dict[str, Any]) -> Drawing:
    """Draw the losses, and below them their largest difference."""
    losses = data["losses"]
    apart = np.ptp(list(losses.values()), axis=0)
    steps = np.arange(1, data["steps"] + 1)
    figure = Figure(figsize=(7.5, 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for backend, values in losses.items():
        width, dash = BACKEND_STYLES[backend]
        above.plot(steps, values, color=BACKEND_COLORS[backend], lw=width, ls=dash, label=backend)
    above.set(ylabel="loss (nats per token)")
    above.legend()
    # A logarithmic axis cannot show steps at which no bit differs.
    below.semilogy(steps, np.where(apart > 0, apart, np.nan), color="#888888", ls="", marker=".")
    below.axhline(LAST_PLACE, color=INK, lw=1, ls=":", label="the last bit of float32")
    below.set(xlabel="step", ylabel="largest difference", ylim=(1e-8, 1e-4))
    below.legend()
    alt = (
        f"Two plots over {data['steps']} steps. Above, the training losses of NumPy, PyTorch and "
        f"JAX, which fall together from {losses['numpy'][0]:.2f} to about "
        f"{np.mean(losses['numpy'][-20:]):.2f}: one curve to the eye. Below, on a logarithmic "
        f"axis, the largest difference between them: never more than {apart.max():.1e}, where the "
        f"last bit of such a number is worth {LAST_PLACE:.1e}; in {np.sum(apart == 0)} steps, "
        f"nothing."
    )
    return Drawing(to_svg(figure), alt)


PRODUCER = Producer(
    "losses",
    f"the same {STEPS} steps of training in the three backends, half a minute",
    measure,
    draw,
)
