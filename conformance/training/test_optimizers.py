"""Optimizer steps: clipping, AdamW and SGD, one step and twenty, and a change of backend midway."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import Case, random_batch, random_weights, rounded
from conformance.judge import Judge
from shared import randomness
from shared.config import TrainConfig
from shared.protocol import Backend, Model, StepResult, Trainer, TrainState
from shared.schedule import learning_rate

pytestmark = pytest.mark.needs("trainer")

# A warm-up and a decay within twenty steps, and a limit that clips in the first steps only: in the
# others, the gradient must not change.
ADAMW = TrainConfig(
    steps=20, warmup_steps=3, learning_rate=1e-2, min_lr=1e-3, weight_decay=0.1, grad_clip=2.0
)
ADAMW_UNCLIPPED = replace(ADAMW, grad_clip=0.0, epsilon=1e-3, beta1=0.8, beta2=0.95)
WAY = ("losses on the way", "norms on the way")

SGD = replace(ADAMW, optimizer="sgd", learning_rate=0.1, grad_clip=3.0)


Run = tuple[list[StepResult], dict[int, TrainState]]


def run(
    backend: Backend, case: Case, dtype: str, config: TrainConfig, *, truthful: bool = False
) -> Run:
    """Twenty steps from the random weights, a batch each; the states after 1 and 20.

    Truthful: from the weights as a float32 model holds them.
    """
    weights = random_weights(case)
    given = rounded(weights) if truthful else weights
    trainer = backend.build(case.config, given, dtype=dtype).trainer(config)
    results, states = [], {}
    for step in range(20):
        results.append(trainer.step(*random_batch(case.config, seed=step)))
        if step + 1 in (1, 20):
            states[step + 1] = trainer.state()
    return results, states


@pytest.mark.cases("gpt2", "original", "post-erf")
@pytest.mark.fills("AdamW, 1 step", "AdamW, 20 steps", *WAY)
def test_adamw(backends: dict, models: dict, truthful: dict, case: Case, judge: Judge) -> None:
    """AdamW, with clipping, decay, warm-up and cosine."""
    optimizers_agree("AdamW", ADAMW, backends, models, truthful, case, judge)


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("AdamW, 1 step", "AdamW, 20 steps", *WAY)
def test_adamw_unclipped(
    backends: dict, models: dict, truthful: dict, case: Case, judge: Judge
) -> None:
    """No clipping, other betas, and an epsilon large enough to reveal its place."""
    optimizers_agree("AdamW", ADAMW_UNCLIPPED, backends, models, truthful, case, judge)


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("AdamW, 1 step", *WAY)
@pytest.mark.parametrize("step", [7, 101, 501, 1_001, 20_001, 1_000_003])
def test_a_step_far_on(
    backends: dict, models: dict, case: Case, dtype: str, judge: Judge, step: int
) -> None:
    """One step of AdamW after many: bias corrections that fade, a schedule that is over."""
    rng = randomness.generator(step, randomness.WEIGHTS)
    weights = random_weights(case)
    m, v = (
        {key: 0.01 * rng.standard_normal(value.shape) for key, value in weights.items()}
        for _ in range(2)
    )
    moments = {"m": m, "v": {key: value**2 + 1e-4 for key, value in v.items()}}

    def go_on(backend: Backend) -> tuple[StepResult, TrainState]:
        trainer = backend.build(case.config, random_weights(case, 1), dtype=dtype).trainer(ADAMW)
        trainer.load_state(deepcopy(TrainState(step, weights, moments)))
        return trainer.step(*random_batch(case.config)), trainer.state()

    both = judge.each(backends, go_on)
    results_agree({name: result for name, (result, _) in both.items()}, f"step {step + 1}", judge)
    for name, (result, state) in both.items():
        assert (state.step, result.learning_rate) == (step + 1, learning_rate(ADAMW, step)), name
    states = {name: state for name, (_, state) in both.items()}
    states_agree("AdamW, 1 step", states, {}, models, f"step {step + 1}", judge)


@pytest.mark.cases("gpt2", "original")
@pytest.mark.fills("SGD, 1 step", "SGD, 20 steps", *WAY)
def test_sgd(backends: dict, models: dict, truthful: dict, case: Case, judge: Judge) -> None:
    """Plain SGD, with clipping; no moments and no decay."""
    optimizers_agree("SGD", SGD, backends, models, truthful, case, judge)


def optimizers_agree(
    optimizer: str,
    config: TrainConfig,
    backends: dict[str, Backend],
    models: dict[str, Model],
    truthful: dict[str, Model],
    case: Case,
    judge: Judge,
) -> None:
    """Loss, gradient norm and learning rate at every step; weights and moments after 1 and 20."""
    dtype = judge.dtype
    runs = judge.each(backends, lambda backend: run(backend, case, dtype, config))
    true = {name: run(backends[name], case, "float64", config, truthful=True) for name in truthful}
    for step in range(20):
        results = {key: results[step] for key, (results, _) in runs.items()}
        for name, result in results.items():
            assert result.learning_rate == learning_rate(config, step), f"{name}, step {step + 1}"
            for kind in (result.loss, result.grad_norm):
                assert type(kind) is float, f"{name} reports a {type(kind).__name__}, not a float"
        truths = {key: results[step] for key, (results, _) in true.items()}
        results_agree(results, f"{optimizer}, step {step + 1}", judge, truths)
    for steps, check in ((1, f"{optimizer}, 1 step"), (20, f"{optimizer}, 20 steps")):
        states = {key: states[steps] for key, (_, states) in runs.items()}
        assert {state.step for state in states.values()} == {steps}
        letters = {"m", "v"} if config.optimizer == "adamw" else set()
        assert all(set(state.moments) == letters for state in states.values())
        truths = {key: states[steps] for key, (_, states) in true.items()}
        both = [
            {
                key: replace(state, weights=comparable(state.weights, case, dtype))
                for key, state in some.items()
            }
            for some in (states, truths)
        ]
        states_agree(check, *both, models, f"{optimizer}, step {steps}", judge)


def results_agree(
    results: dict[str, StepResult],
    when: str,
    judge: Judge,
    truths: dict[str, StepResult] | None = None,
) -> None:
    """The loss and the norm of the gradient of one step. They have separate limits: in float32,
    weights drift where the loss is flat, and these do not."""
    for check, quantity in zip(WAY, ("loss", "grad_norm"), strict=True):
        values = {key: float(getattr(result, quantity)) for key, result in results.items()}
        true = {key: float(getattr(result, quantity)) for key, result in (truths or {}).items()}
        judge.agree(check, values, f"{when}: {quantity}", true)


def states_agree(
    check: str,
    states: dict[str, TrainState],
    truths: dict[str, TrainState],
    models: dict[str, Model],
    when: str,
    judge: Judge,
) -> None:
    """Weights and moments: everything in a state except the step."""
    weights = {key: state.weights for key, state in states.items()}
    true = {key: state.weights for key, state in truths.items()}
    judge.tensors_agree(check, weights, models, f"{when}: weights", true)
    for letter in next(iter(states.values())).moments:
        moments = {key: state.moments[letter] for key, state in states.items()}
        true = {key: state.moments[letter] for key, state in truths.items()}
        judge.tensors_agree(check, moments, models, f"{when}: {letter}", true)


def comparable(weights: dict[str, np.ndarray], case: Case, dtype: str) -> dict[str, np.ndarray]:
    """The weights without the key biases, in float32.

    Softmax does not change when all scores of a row shift equally, so the key bias has gradient
    zero plus rounding noise, which AdamW divides by its own size: in float32 the key biases of two
    correct backends drift apart. They affect nothing else. In float64 they are compared too.
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

    def go_on(name: str, state: TrainState) -> TrainState:
        trainer = trainer_of(name)
        trainer.load_state(state)
        for batch in batches[5:]:
            trainer.step(*batch)
        return trainer.state()

    unbroken = trainer_of(backend_name)
    for batch in batches[:5]:
        unbroken.step(*batch)
    start = unbroken.state()
    kept = deepcopy(start)
    for batch in batches[5:]:
        unbroken.step(*batch)

    def go_on_and_look(name: str) -> TrainState:
        """Each backend gets its own copy of the state, so that none can spoil it for the next."""
        given = deepcopy(start)
        end = go_on(name, given)
        judge.same("inputs kept", name, start, given, "the state given to load_state changed")
        return end

    judge.same("results kept", backend_name, kept, start, "a state changed by later steps")
    ends = judge.each({name: name for name in backends}, go_on_and_look)
    assert {end.step for end in ends.values()} == {10}
    message = "handed over and not handed over differ"
    judge.same("resume", backend_name, unbroken.state(), ends[backend_name], message)
    after = f"ten steps, the first five by {backend_name}"
    states_agree("relay", ends, {}, models, after, judge)
