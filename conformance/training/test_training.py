"""Training: two hundred steps from the same weights on the same batches give the same result."""

import numpy as np
import pytest

from conformance import cases
from conformance.cases import Case, random_weights, rounded
from conformance.judge import Judge
from conformance.recorder import Recorder
from conformance.subject import Backends, Models
from shared import randomness
from shared.config import GPTConfig, TrainConfig
from shared.protocol import Backend, StepResult, TrainState

STEPS = 200
CONFIG = TrainConfig(
    steps=STEPS, warmup_steps=20, learning_rate=3e-3, min_lr=3e-4, weight_decay=0.1, grad_clip=1.0
)

Run = tuple[list[StepResult], TrainState]


def batch_of_a_language(config: GPTConfig, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and targets [12, T]: nine times out of ten, a fixed permutation gives the next id."""
    seed = 1000 * cases.base_seed
    follows = randomness.generator(seed, randomness.BATCHES, STEPS).permutation(config.vocab_size)
    rng = randomness.generator(seed, randomness.BATCHES, step)
    ids = rng.integers(0, config.vocab_size, (12, config.block_size + 1))
    regular = rng.random(ids.shape) < 0.9
    for t in range(1, ids.shape[1]):
        ids[:, t] = np.where(regular[:, t], follows[ids[:, t - 1]], ids[:, t])
    return ids[:, :-1], ids[:, 1:]


def train(backend: Backend, case: Case, dtype: str) -> Run:
    """Train from weights exact in float32, so the float64 run is the truth for float32."""
    weights = rounded(random_weights(case))
    trainer = backend.build(case.config, weights, dtype=dtype).trainer(CONFIG)
    results = [trainer.step(*batch_of_a_language(case.config, step)) for step in range(STEPS)]
    return results, trainer.state()


@pytest.fixture(scope="module")
def cached_runs() -> dict[tuple[str, ...], Run]:
    """Runs by case, backend and precision: each float64 run is also the truth for float32."""
    return {}


@pytest.mark.cases("gpt2", "dropout")
@pytest.mark.needs("trainer")
@pytest.mark.fills("200 steps: losses")
def test_training(
    cached_runs: dict[tuple[str, ...], Run], backends: Backends, models: Models, truthful: Models,
    case: Case, dtype: str, judge: Judge, recorder: Recorder,
) -> None:  # fmt: skip
    """AdamW with clipping, warm-up and cosine: the loss of every step, and in float64 every weight
    at the end. In float32, weights drift where the loss is flat: only losses are compared."""

    def run(name: str, dtype: str) -> Run:
        key = case.name, name, dtype
        if key not in cached_runs:
            cached_runs[key] = train(recorder.panel.backends[name], case, dtype)
        return cached_runs[key]

    runs = judge.each({name: name for name in backends}, lambda name: run(name, dtype))
    true = {name: run(name, "float64") for name in truthful}
    for step in range(STEPS):
        losses = {name: float(results[step].loss) for name, (results, _) in runs.items()}
        truths = {name: float(results[step].loss) for name, (results, _) in true.items()}
        judge.agree("200 steps: losses", losses, f"loss at step {step}", truths)
    enough = 0.6 if case.config.dropout else 0.5  # dropout raises the training losses
    for name, (results, _) in runs.items():
        assert results[-1].loss < enough * results[0].loss, f"{name} has learned nothing"
    if dtype == "float64":
        weights = {name: state.weights for name, (_, state) in runs.items()}
        judge.tensors_agree("200 steps: weights", weights, models, "weights after 200 steps")
