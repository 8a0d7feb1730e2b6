"""Trainers against torch.optim and optax, on the gradients of the trainers."""

from dataclasses import replace

import numpy as np
import optax
import pytest

from audits.oracles.optimizers import Tensors, clipped, replay_optax, replay_torch
from audits.oracles.verdict import Verdict
from conformance.cases import BASE, Case, random_batch, random_weights
from shared.config import TrainConfig
from shared.protocol import Backend, StepResult, TrainState
from shared.schedule import learning_rate

CASE = Case("gpt2", replace(BASE, tie_weights=True))
STEPS = 20

# A warm-up and a decay within these steps, and a limit that clips.
ADAMW = TrainConfig(
    steps=STEPS, warmup_steps=3, learning_rate=1e-2, min_lr=1e-3, weight_decay=0.1, grad_clip=1.0
)
CONFIGS = {
    "AdamW": ADAMW,
    # Epsilon and decay are large enough that their places in the formula matter.
    "AdamW, unclipped": replace(
        ADAMW, grad_clip=0.0, epsilon=1e-3, beta1=0.8, beta2=0.95, weight_decay=1.0
    ),
    "SGD": replace(ADAMW, optimizer="sgd", learning_rate=0.1),
}
REPLAYS = {"torch.optim": replay_torch, "optax": replay_optax}


Record = list[tuple[Tensors, StepResult, TrainState]]
"""Of every step of a training: the gradients that the optimizer gets, and its results."""


@pytest.fixture(scope="module", params=CONFIGS)
def optimizer(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def record(backend: Backend, optimizer: str) -> Record:
    """Twenty steps of a trainer. The gradients are those of a model with the trainer's weights."""
    steps = []
    weights = random_weights(CASE)
    trainer = backend.build(CASE.config, weights, dtype="float64").trainer(CONFIGS[optimizer])
    for step in range(STEPS):
        batch = random_batch(CASE.config, seed=step)
        model = backend.build(CASE.config, weights, dtype="float64")
        gradients = model.loss_and_grads(*batch)[1]
        steps.append((gradients, trainer.step(*batch), trainer.state()))
        weights = trainer.state().weights
    return steps


@pytest.mark.parametrize("source", REPLAYS)
def test_weights_and_moments(record: Record, optimizer: str, source: str, verdict: Verdict) -> None:
    """After 1 step and after 20. Clipping and learning rates are given, not the oracle's own."""
    config = CONFIGS[optimizer]
    gradients = [clipped(grads, config.grad_clip)[0] for grads, _, _ in record]
    rates = [learning_rate(config, step) for step in range(STEPS)]
    replay = REPLAYS[source](random_weights(CASE), gradients, rates, config)
    for step, (weights, moments) in enumerate(replay):
        if step + 1 not in (1, STEPS):
            continue
        (_, _, state), when = record[step], f" after {step + 1}"
        assert state.step == step + 1
        verdict.all_agree(f"{optimizer}, weights", state.weights, weights, source, when)
        assert set(state.moments) == set(moments)
        for letter, truth in moments.items():
            verdict.all_agree(f"{optimizer}, {letter}", state.moments[letter], truth, source, when)


def test_step_results(record: Record, optimizer: str, verdict: Verdict) -> None:
    """The reported norm is that of all tensors together, before clipping; the reported learning
    rate is the schedule's."""
    config = CONFIGS[optimizer]
    norms = [clipped(grads, config.grad_clip)[1] for grads, _, _ in record]
    assert max(norms) > config.grad_clip, "a clip that does not bite proves nothing"
    for step, ((_, result, _), norm) in enumerate(zip(record, norms, strict=True)):
        verdict.agrees("norm", float(result.grad_norm), norm, "definition", f"norm at {step}")
        assert result.learning_rate == learning_rate(config, step)


@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_schedule(warmup: int) -> None:
    """optax's warm-up and cosine, counted its way: ours begins one step above zero and ends at
    min_lr."""
    config = TrainConfig(steps=40, warmup_steps=warmup, learning_rate=3e-3, min_lr=2e-4)
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=config.learning_rate / (warmup + 1),
        peak_value=config.learning_rate,
        warmup_steps=warmup,
        decay_steps=config.steps,  # with the warm-up
        end_value=config.min_lr,
    )
    found = [learning_rate(config, step) for step in range(50)]
    truth = [float(schedule(np.int64(step))) for step in range(50)]
    np.testing.assert_allclose(found, truth, rtol=1e-10, atol=0)
