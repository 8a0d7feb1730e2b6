"""Optimizer steps: clipping, AdamW and SGD, one step and twenty, and a change of backend midway."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import Case, batch_of, random_batch, random_weights, rounded
from conformance.compare import relative_error
from conformance.judge import Judge
from conformance.limits import has_limit
from conformance.recorder import Recorder
from conformance.subject import Backends, Models, Subject, skip_not_offered
from shared import randomness
from shared.config import TrainConfig
from shared.protocol import Backend, StepResult, Trainer, TrainState
from shared.schedule import learning_rate

pytestmark = pytest.mark.needs("trainer")

# A warm-up and a decay within twenty steps, and a limit that clips only the first steps: in the
# others, the gradient must not change. The seed, which dropout needs, is not the default one.
ADAMW = TrainConfig(
    steps=20, warmup_steps=3, learning_rate=1e-2, min_lr=1e-3, weight_decay=0.1, grad_clip=2, seed=7
)
ADAMW_UNCLIPPED = replace(ADAMW, grad_clip=0.0, epsilon=1e-3, beta1=0.8, beta2=0.95)
ADAMW_ZEROS = replace(
    ADAMW_UNCLIPPED, beta1=0.0, beta2=0.0, weight_decay=0.0, warmup_steps=0, min_lr=0.0, seed=0
)
WAY = ("losses on the way", "norms on the way")

SGD = replace(ADAMW, optimizer="sgd", learning_rate=0.1, grad_clip=3.0)

Run = tuple[list[StepResult], dict[int, TrainState]]
Results, States = dict[str, StepResult], dict[str, TrainState]


def run(
    backend: Backend, case: Case, dtype: str, config: TrainConfig, *, truthful: bool = False
) -> Run:
    """Twenty steps from the random weights (if `truthful`, as a float32 model holds them), each on
    its own batch; the states after 1 and 20."""
    weights = random_weights(case)
    given = rounded(weights) if truthful else weights
    trainer = backend.build(case.config, given, dtype=dtype).trainer(config)
    results, states = [], {}
    for step in range(20):
        results.append(trainer.step(*random_batch(case.config, seed=step)))
        if step + 1 in (1, 20):
            states[step + 1] = trainer.state()
    return results, states


@pytest.fixture
def twenty_steps_agree(
    backends: Backends,
    models: Models,
    truthful: Models,
    case: Case,
    judge: Judge,
    recorder: Recorder,
) -> Callable[[str, TrainConfig], None]:
    """Loss, gradient norm and learning rate at every step; weights and moments after 1 and 20."""

    def agree(optimizer: str, config: TrainConfig) -> None:
        dtype = judge.dtype
        runs = judge.each(backends, lambda backend: run(backend, case, dtype, config))
        every = recorder.panel.backends
        true = {n: run(every[n], case, "float64", config, truthful=True) for n in truthful}
        for step in range(20):
            results = {key: results[step] for key, (results, _) in runs.items()}
            for name, result in results.items():
                assert result.learning_rate == learning_rate(config, step), f"{name}, {step + 1}"
                for kind in (result.loss, result.grad_norm):
                    assert type(kind) is float, f"{name} reports a {type(kind).__name__}"
            truths = {key: results[step] for key, (results, _) in true.items()}
            results_agree(results, f"{optimizer}, step {step + 1}", judge, truths)
        for steps, check in ((1, f"{optimizer}, 1 step"), (20, f"{optimizer}, 20 steps")):
            states, truths = (
                {key: comparable(states[steps], case, dtype) for key, (_, states) in some.items()}
                for some in (runs, true)
            )
            assert {state.step for state in states.values()} == {steps}
            if has_limit(check, dtype):
                states_agree(check, states, truths, models, f"{optimizer}, step {steps}", judge)

    return agree


@pytest.mark.cases("gpt2", "original", "post-erf", "dropout")
@pytest.mark.fills("AdamW, 1 step", "AdamW, 20 steps", *WAY)
def test_adamw(twenty_steps_agree: Callable[[str, TrainConfig], None]) -> None:
    """AdamW, with clipping, decay, warm-up and cosine."""
    twenty_steps_agree("AdamW", ADAMW)


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("AdamW, 1 step", "AdamW, 20 steps", *WAY)
@pytest.mark.parametrize("config", [ADAMW_UNCLIPPED, ADAMW_ZEROS], ids=["unclipped", "zeros"])
def test_adamw_with_other_values(
    twenty_steps_agree: Callable[[str, TrainConfig], None], config: TrainConfig
) -> None:
    """No clipping, other betas, and an epsilon large enough to reveal its place; then 0 wherever it
    is allowed: it is a value, and not the lack of one."""
    twenty_steps_agree("AdamW", config)


@pytest.mark.cases("gpt2", "original", "dropout", "post dropout")
@pytest.mark.fills("SGD, 1 step", "SGD, 20 steps", *WAY)
def test_sgd(twenty_steps_agree: Callable[[str, TrainConfig], None]) -> None:
    """Plain SGD, with clipping; no moments and no decay."""
    twenty_steps_agree("SGD", SGD)


@pytest.mark.cases("gpt2", "dropout")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("accumulated")
@pytest.mark.parametrize("parts", [2, 3, 5, 7])
def test_a_batch_in_parts_gives_the_step_of_the_whole(subject: Subject, parts: int) -> None:
    """Gradient accumulation: three clipped steps. Of 7 rows, which 2, 3 and 5 do not divide; of 9,
    more than are configured, shorter than the window; and of 1, fewer than parts."""
    shapes = [(7, None), (9, 5), (1, None)]
    batches = [random_batch(subject.case.config, seed, *BT) for seed, BT in enumerate(shapes)]

    def train(accumulate: int) -> dict[str, np.ndarray]:
        config = replace(SGD, grad_clip=0.5, batch_size=7, accumulate=accumulate)
        trainer = subject.trainer(config)
        results = [trainer.step(*batch) for batch in batches]
        norms = np.array([result.grad_norm for result in results])
        assert norms.min() > config.grad_clip, "a clip that does not bite proves nothing"
        losses = np.array([result.loss for result in results])
        return trainer.state().weights | {"the losses": losses, "the norms": norms}

    whole, accumulated = train(1), train(parts)
    for key, value in whole.items():
        error = relative_error(accumulated[key], value)
        subject.holds("accumulated", error, f"{key} after three steps, each in {parts} parts")


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("AdamW, 1 step", *WAY)
@pytest.mark.parametrize("step", [7, 101, 501, 1_001, 20_001, 1_000_003])
def test_a_step_far_on(
    backends: Backends, models: Models, case: Case, judge: Judge, step: int
) -> None:
    """One step of AdamW after many: the schedule is over. The bias correction of beta1 has faded
    after a hundred steps, that of beta2 after a hundred thousand."""
    config = replace(ADAMW, beta2=0.9999)
    rng = randomness.generator(step, randomness.WEIGHTS)
    weights = random_weights(case)
    m, v = ({k: 0.01 * rng.standard_normal(w.shape) for k, w in weights.items()} for _ in range(2))
    moments = {"m": m, "v": {key: value**2 + 1e-4 for key, value in v.items()}}

    def go_on(backend: Backend) -> tuple[StepResult, TrainState]:
        model = backend.build(case.config, random_weights(case, 1), dtype="float64")
        trainer = model.trainer(config)
        trainer.load_state(deepcopy(TrainState(step, weights, moments)))
        return trainer.step(*random_batch(case.config)), trainer.state()

    both = judge.each(backends, go_on)
    results_agree({name: result for name, (result, _) in both.items()}, f"step {step + 1}", judge)
    for name, (result, state) in both.items():
        assert (state.step, result.learning_rate) == (step + 1, learning_rate(config, step)), name
    states = {name: state for name, (_, state) in both.items()}
    states_agree("AdamW, 1 step", states, {}, models, f"step {step + 1}", judge)


def a_step_agrees(backends: Backends, case: Case, config: TrainConfig, judge: Judge) -> None:
    """Loss, norm, weights and moments of one step."""
    weights, batch, dtype = random_weights(case), batch_of(case), judge.dtype
    models = judge.each(backends, lambda backend: backend.build(case.config, weights, dtype=dtype))
    trainers = judge.each(models, lambda model: model.trainer(config))
    results = judge.each(trainers, lambda trainer: trainer.step(*batch))
    states = judge.each(trainers, lambda trainer: trainer.state())
    results_agree(results, "step 1", judge)
    check = {"adamw": "AdamW, 1 step", "sgd": "SGD, 1 step"}[config.optimizer]
    states_agree(check, states, {}, models, "step 1", judge)


def results_agree(results: Results, when: str, judge: Judge, truths: Results | None = None) -> None:
    """The loss and the norm of the gradient of one step. They have separate limits: in float32,
    weights drift where the loss is flat, but these do not."""
    for check, quantity in zip(WAY, ("loss", "grad_norm"), strict=True):
        values = {key: float(getattr(result, quantity)) for key, result in results.items()}
        true = {key: float(getattr(result, quantity)) for key, result in (truths or {}).items()}
        judge.agree(check, values, f"{when}: {quantity}", true)


def states_agree(
    check: str, states: States, truths: States, models: Models, when: str, judge: Judge
) -> None:
    """Weights and moments: everything in a state except the step."""
    letters = () if check.startswith("SGD") else ("m", "v")
    assert all(set(state.moments) == set(letters) for state in states.values())
    weights = {key: state.weights for key, state in states.items()}
    true = {key: state.weights for key, state in truths.items()}
    judge.tensors_agree(check, weights, models, f"{when}: weights", true)
    for letter in letters:
        moments = {key: state.moments[letter] for key, state in states.items()}
        true = {key: state.moments[letter] for key, state in truths.items()}
        judge.tensors_agree(check, moments, models, f"{when}: {letter}", true)


def comparable(state: TrainState, case: Case, dtype: str) -> TrainState:
    """The state without the key biases, in float32.

    Softmax does not change when all scores of a row shift equally, so the key bias has gradient
    zero plus rounding noise, which AdamW divides by its own size: in float32 the key biases of two
    correct backends drift apart. They affect nothing else. In float64 they are compared too."""
    if dtype == "float64":
        return state
    C = case.config.n_embd
    kept = {key: value.copy() for key, value in state.weights.items()}
    for key in kept:
        if key.endswith("c_attn.bias"):
            kept[key][C : 2 * C] = 0
    return replace(state, weights=kept)


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("relay")
def test_state_goes_from_backend_to_backend(
    backends: Backends, models: Models, subject: Subject, judge: Judge
) -> None:
    """Five steps in one backend, then five in every backend from its state: all end at the same
    place. (test_life.py judges that a backend continues its own state as if it had not stopped.)"""
    if judge.not_offered and len(backends) < 2:
        skip_not_offered("relay", judge)

    def five_steps(trainer: Trainer, first: int) -> TrainState:
        for step in range(first, first + 5):
            trainer.step(*subject.batch(step))
        return trainer.state()

    def trainer(name: str) -> Trainer:
        model = replace(subject, name=name).build(random_weights(subject.case, 1))
        return model.trainer(ADAMW)

    start = five_steps(trainer(subject.name), 0)

    def go_on(name: str) -> TrainState:
        """Each backend gets its own copy of the state, so that none can spoil it for the next."""
        mine = trainer(name)
        mine.load_state(deepcopy(start))
        return five_steps(mine, 5)

    ends = judge.each({name: name for name in backends}, go_on)
    assert {end.step for end in ends.values()} == {10}
    after = f"ten steps, the first five by {subject.name}"
    states_agree("relay", ends, {}, models, after, judge)
