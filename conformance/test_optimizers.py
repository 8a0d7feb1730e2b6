"""Optimizer steps: clipping, AdamW and SGD, one step and twenty, and a change of backend midway."""

from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import Case, random_batch, random_weights
from conformance.judge import Judge
from shared.backend import Backend, Model, StepResult, Trainer, TrainState
from shared.config import TrainConfig
from shared.schedule import learning_rate

pytestmark = pytest.mark.needs("trainer")

# A warm-up and a decay that both happen within twenty steps, and a clip that bites in the first
# steps and not in all: there, the gradient must stay as it is.
ADAMW = TrainConfig(
    steps=20, warmup_steps=3, learning_rate=1e-2, min_lr=1e-3, weight_decay=0.1, grad_clip=2.0
)
ADAMW_UNCLIPPED = replace(ADAMW, grad_clip=0.0, epsilon=1e-3, beta1=0.8, beta2=0.95)
SGD = replace(ADAMW, optimizer="sgd", learning_rate=0.1, grad_clip=3.0)


def run(
    backend: Backend, case: Case, dtype: str, config: TrainConfig
) -> tuple[list[StepResult], dict[int, TrainState]]:
    """Twenty steps from the random weights, a batch each; the states after 1 and 20."""
    trainer = backend.build(case.config, random_weights(case), dtype=dtype).trainer(config)
    results, states = [], {}
    for step in range(20):
        results.append(trainer.step(*random_batch(case.config, seed=step)))
        if step + 1 in (1, 20):
            states[step + 1] = trainer.state()
    return results, states


@pytest.mark.cases("gpt2", "original", "post-erf")
@pytest.mark.fills("AdamW, 1 step", "AdamW, 20 steps")
def test_adamw(backends: dict, models: dict, case: Case, dtype: str, judge: Judge) -> None:
    """AdamW, with clipping, decay, warm-up and cosine."""
    optimizers_agree("AdamW", ADAMW, backends, models, case, dtype, judge)


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("AdamW, 1 step", "AdamW, 20 steps")
def test_adamw_unclipped(
    backends: dict, models: dict, case: Case, dtype: str, judge: Judge
) -> None:
    """No clipping, other betas, and an epsilon large enough to show where it is added."""
    optimizers_agree("AdamW", ADAMW_UNCLIPPED, backends, models, case, dtype, judge)


@pytest.mark.cases("gpt2", "original")
@pytest.mark.fills("SGD, 1 step", "SGD, 20 steps")
def test_sgd(backends: dict, models: dict, case: Case, dtype: str, judge: Judge) -> None:
    """Plain SGD, with clipping; no moments and no decay."""
    optimizers_agree("SGD", SGD, backends, models, case, dtype, judge)


def optimizers_agree(
    optimizer: str,
    config: TrainConfig,
    backends: dict[str, Backend],
    models: dict[str, Model],
    case: Case,
    dtype: str,
    judge: Judge,
) -> None:
    """Loss, gradient norm and learning rate at every step; weights and moments after 1 and 20."""
    runs = judge.each(backends, lambda backend: run(backend, case, dtype, config))
    for step in range(20):
        results = {key: results[step] for key, (results, _) in runs.items()}
        assert all(r.learning_rate == learning_rate(config, step) for r in results.values())
        check = f"{optimizer}, 1 step" if step == 0 else f"{optimizer}, 20 steps"
        results_agree(check, results, f"{optimizer}, step {step + 1}", judge)
    for steps, check in ((1, f"{optimizer}, 1 step"), (20, f"{optimizer}, 20 steps")):
        states = {key: states[steps] for key, (_, states) in runs.items()}
        assert {state.step for state in states.values()} == {steps}
        letters = {"m", "v"} if config.optimizer == "adamw" else set()
        assert all(set(state.moments) == letters for state in states.values())
        states = {
            key: replace(state, weights=comparable(state.weights, case, dtype))
            for key, state in states.items()
        }
        states_agree(check, states, models, f"{optimizer}, step {steps}", judge)


def results_agree(check: str, results: dict[str, StepResult], when: str, judge: Judge) -> None:
    """The loss and the norm of the gradient of one step."""
    for quantity in ("loss", "grad_norm"):
        values = {key: float(getattr(result, quantity)) for key, result in results.items()}
        judge.agree(check, values, f"{when}: {quantity}")


def states_agree(
    check: str, states: dict[str, TrainState], models: dict[str, Model], when: str, judge: Judge
) -> None:
    """Weights and moments, which are all of a state but the step."""
    weights = {key: state.weights for key, state in states.items()}
    judge.tensors_agree(check, weights, models, f"{when}: weights")
    for letter in next(iter(states.values())).moments:
        moments = {key: state.moments[letter] for key, state in states.items()}
        judge.tensors_agree(check, moments, models, f"{when}: {letter}")


def comparable(weights: dict[str, np.ndarray], case: Case, dtype: str) -> dict[str, np.ndarray]:
    """The weights without the key biases, in float32.

    Softmax does not change when all scores of a row move alike, so the key bias has gradient zero
    and what comes out is rounding noise, which AdamW divides by its own size: in float32 the key
    biases of two correct backends walk apart. They change nothing else. In float64 they are
    compared too.
    """
    if dtype == "float64":
        return weights
    C = case.config.n_embd
    kept = {key: value.copy() for key, value in weights.items()}
    for key in kept:
        if key.endswith("c_attn.bias"):
            kept[key][C : 2 * C] = 0
    return kept


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("relay")
def test_state_goes_from_backend_to_backend(
    backends: dict[str, Backend],
    models: dict[str, Model],
    backend_name: str,
    case: Case,
    dtype: str,
    judge: Judge,
) -> None:
    """Five steps here, then five in every backend from this one's state: all end at the same place.
    Handing a state to a new trainer of the same backend changes not one bit."""
    batches = [random_batch(case.config, seed=step) for step in range(10)]

    def trainer_of(name: str) -> Trainer:
        weights = random_weights(case, 1)
        return backends[name].build(case.config, weights, dtype=dtype).trainer(ADAMW)

    def go_on(name: str) -> TrainState:
        trainer = trainer_of(name)
        trainer.load_state(start)
        for batch in batches[5:]:
            trainer.step(*batch)
        return trainer.state()

    unbroken = trainer_of(backend_name)
    for batch in batches[:5]:
        unbroken.step(*batch)
    start = unbroken.state()
    for batch in batches[5:]:
        unbroken.step(*batch)
    ends = judge.each({name: name for name in backends}, go_on)
    assert {end.step for end in ends.values()} == {10}
    for key, value in unbroken.state().weights.items():
        here = ends[backend_name].weights[key]
        np.testing.assert_array_equal(here, value, err_msg=f"{key}, handed over and not")
    after = f"ten steps, the first five by {backend_name}"
    states_agree("relay", ends, models, after, judge)
