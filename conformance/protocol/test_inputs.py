"""Inputs of a backend: any memory layout and integer type; never changed, never kept."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from conformance.cases import Case, random_batch, random_weights
from conformance.judge import Judge
from conformance.training.test_optimizers import ADAMW
from shared.config import SampleConfig
from shared.errors import InputError
from shared.protocol import Backend, Model, TrainState

pytestmark = [pytest.mark.cases("gpt2"), pytest.mark.dtypes("float64")]

GREEDY = SampleConfig(temperature=0.0, max_new_tokens=12)
DRAWN = SampleConfig(temperature=2.0, max_new_tokens=12)


def frozen(array: np.ndarray) -> np.ndarray:
    """Read-only, as an array in a mapped file is."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def strided(array: np.ndarray) -> np.ndarray:
    """Every second entry of a larger array, read backwards."""
    larger = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    larger[..., ::2] = array[..., ::-1]
    return larger[..., ::2][..., ::-1]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "read-only": frozen,
    "Fortran's order": np.asfortranarray,
    "strided and backwards": strided,
    "the other byte order": lambda array: array.astype(array.dtype.newbyteorder(">")),
}
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def answers(model: Model, tokens: np.ndarray, targets: np.ndarray) -> dict[str, object]:
    """All outputs of a model for these ids. Warnings are errors, as everywhere in the suite."""
    return {
        "logits": model.logits(tokens),
        "loss": model.loss(tokens, targets),
        "loss_and_grads": model.loss_and_grads(tokens, targets),
        "text": list(map(int, model.generate(tokens[0], GREEDY))),
        "step": model.trainer(ADAMW).step(tokens, targets),
    }


@pytest.fixture
def build(backends: dict[str, Backend], backend_name: str, case: Case) -> Callable[..., Model]:
    def fresh(weights: Mapping[str, np.ndarray] | None = None) -> Model:
        given = random_weights(case) if weights is None else weights
        return backends[backend_name].build(case.config, given, dtype="float64")

    return fresh


@pytest.mark.needs("grads", "trainer", "generate")
@pytest.mark.fills("repeated", "inputs kept")
@pytest.mark.parametrize("layout", [*LAYOUTS, *INTEGERS])
def test_ids_in_any_layout(
    build: Callable[..., Model], batch: tuple, backend_name: str, judge: Judge, layout: str
) -> None:
    """Every memory layout and integer type gives the same bits, and the input is not changed."""
    change = LAYOUTS.get(layout, lambda array: array.astype(layout))
    given = tuple(change(ids) for ids in batch)
    kept = deepcopy(given)
    expected = answers(build(), *batch)
    found = answers(build(), *given)
    judge.same("repeated", backend_name, expected, found, f"ids that are {layout}")
    judge.same("inputs kept", backend_name, kept, given, "the ids given were changed")


@pytest.mark.needs("grads", "trainer", "generate")
@pytest.mark.fills("repeated", "inputs kept")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_in_any_layout(
    build: Callable[..., Model], batch: tuple, case: Case, backend_name: str, judge: Judge,
    layout: str,
) -> None:  # fmt: skip
    """The same of weights, in a mapping that is no dict; the order of names changes no logit."""
    weights = random_weights(case)
    given = {key: LAYOUTS[layout](value) for key, value in weights.items()}
    kept = deepcopy(given)
    expected = answers(build(weights), *batch)
    found = answers(build(MappingProxyType(given)), *batch)
    judge.same("repeated", backend_name, expected, found, f"weights that are {layout}")
    judge.same("inputs kept", backend_name, kept, given, "the weights given were changed")
    turned = build(dict(reversed(given.items())))
    logits = turned.logits(batch[0])
    judge.same("repeated", backend_name, expected["logits"], logits, "names in another order")


@pytest.mark.needs("grads", "trainer", "generate")
@pytest.mark.fills("inputs kept")
def test_what_is_given_is_not_kept(
    build: Callable[..., Model], batch: tuple, case: Case, backend_name: str, judge: Judge
) -> None:
    """The caller may overwrite its arrays: a prompt before the text begins, a batch after the step,
    one array for tokens and targets."""
    expected, prompt = build(), batch[0][0, :5].copy()
    text = expected.generate(prompt, DRAWN)
    alone = list(map(int, expected.generate(batch[0][0, :5], DRAWN)))
    prompt[:] = prompt[::-1].copy()
    assert alone != list(map(int, expected.generate(prompt, DRAWN))), "the prompt must matter"
    message = "the prompt given to generate is read after the call"
    judge.same("inputs kept", backend_name, alone, list(map(int, text)), message)
    one, two = build().trainer(ADAMW), build().trainer(ADAMW)
    for step in range(3):
        tokens, targets = random_batch(case.config, seed=step)
        one.step(tokens.copy(), targets.copy())
        given = tokens.copy(), targets.copy()
        two.step(*given)
        judge.same("inputs kept", backend_name, (tokens, targets), given, "a step's batch changed")
        for array in given:
            array[:] = 0
    message = "a batch given to step is read after the call"
    judge.same("inputs kept", backend_name, one.state(), two.state(), message)
    same = batch[0].copy()
    message = "tokens and targets in one array"
    apart = expected.loss_and_grads(same, same.copy())
    judge.same("inputs kept", backend_name, apart, expected.loss_and_grads(same, same), message)


@pytest.mark.needs("grads", "trainer", "trace", "decode")
def test_results_are_the_callers(build: Callable[..., Model], batch: tuple) -> None:
    """Results are writable, and C-contiguous because files are written straight from memory."""
    model = build()
    trainer = model.trainer(ADAMW)
    trainer.step(*batch)
    state = trainer.state()
    decoded = {
        f"token {n}": logits for n, (_, logits) in enumerate(model.decode(batch[0][0], GREEDY))
    }
    for arrays in ({"logits": model.logits(batch[0])}, model.trace(batch[0]), decoded,
                   model.weights(), model.loss_and_grads(*batch)[1], state.weights,
                   *state.moments.values()):  # fmt: skip
        for key, array in arrays.items():
            assert array.flags.c_contiguous, f"{key} is not C-contiguous"
            assert array.flags.writeable, f"{key} is read-only"


def test_the_precision_of_a_model(
    backends: dict, backend_name: str, case: Case, batch: tuple
) -> None:
    """float32 by default."""
    model = backends[backend_name].build(case.config, random_weights(case))
    assert model.logits(batch[0]).dtype == np.float32
    assert {value.dtype for value in model.weights().values()} == {np.dtype(np.float32)}


@pytest.mark.needs("trainer")
@pytest.mark.fills("resume")
def test_a_state_in_another_precision(
    build: Callable[..., Model], batch: tuple, backend_name: str, judge: Judge
) -> None:
    """A float64 trainer continues a float32 state in float64, and the other way round."""
    trainer = build().trainer(ADAMW)
    trainer.step(*batch)
    state = trainer.state()
    single = cast(state, np.float32)
    trainer.load_state(single)
    message = "a float32 state in a float64 trainer"
    judge.same("resume", backend_name, cast(single, np.float64), trainer.state(), message)
    trainer.step(*batch)
    assert {value.dtype for value in trainer.state().weights.values()} == {np.dtype(np.float64)}


@pytest.mark.needs("trainer")
@pytest.mark.fills("resume")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_state_in_any_layout(
    build: Callable[..., Model], batch: tuple, backend_name: str, judge: Judge, layout: str
) -> None:
    """The memory layout of a state's arrays does not change one bit of the next step."""
    first, one, two = (build().trainer(ADAMW) for _ in range(3))
    first.step(*batch)
    one.load_state(first.state())
    two.load_state(changed(first.state(), LAYOUTS[layout]))
    for trainer in (one, two):
        trainer.step(*batch)
    message = f"a state whose arrays are {layout}"
    judge.same("resume", backend_name, one.state(), two.state(), message)


def cast(state: TrainState, dtype: type) -> TrainState:
    """The state in another precision."""
    return changed(state, lambda array: array.astype(dtype))


def changed(state: TrainState, change: Callable[[np.ndarray], np.ndarray]) -> TrainState:
    """The state with `change` applied to every array."""
    weights, *moments = (
        {key: change(value) for key, value in arrays.items()}
        for arrays in (state.weights, *state.moments.values())
    )
    return TrainState(state.step, weights, dict(zip(state.moments, moments, strict=True)))


@pytest.mark.needs("trainer")
def test_bad_states(build: Callable[..., Model]) -> None:
    """A state without a tensor or a moment, with one too many, or of another optimizer."""
    trainer = build().trainer(ADAMW)
    state = trainer.state()
    key = "transformer.wpe.weight"
    lost = {name: value for name, value in state.weights.items() if name != key}
    for bad in (
        TrainState(state.step, lost, state.moments),
        TrainState(state.step, state.weights | {key: state.weights[key].T}, state.moments),
        TrainState(state.step, state.weights | {"extra": np.zeros(3)}, state.moments),
        TrainState(state.step, state.weights, {}),
        TrainState(state.step, state.weights, {"m": state.moments["m"]}),
        TrainState(state.step, state.weights, state.moments | {"m": lost}),
        TrainState(-1, state.weights, state.moments),
    ):
        with pytest.raises(InputError):
            trainer.load_state(bad)
        for name, value in trainer.state().weights.items():
            np.testing.assert_array_equal(value, state.weights[name])


def world() -> dict[str, Any]:
    """Global state of the process. A framework's state only if it is loaded."""
    found: dict[str, Any] = {
        "NumPy's error state": np.geterr(),
        "NumPy's print options": np.get_printoptions(),
        "NumPy's random state": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "environment": dict(os.environ),
        "working directory": os.getcwd(),  # noqa: PTH109
        "warning filters": list(map(repr, warnings.filters)),
        "recursion limit": sys.getrecursionlimit(),
    }
    if torch := sys.modules.get("torch"):
        found |= {
            "torch's default dtype": str(torch.get_default_dtype()),
            "torch's gradient mode": torch.is_grad_enabled(),
            "torch's inference mode": torch.is_inference_mode_enabled(),
            "torch's threads": torch.get_num_threads(),
            "torch's random state": torch.get_rng_state().tolist(),
            "torch's determinism": torch.are_deterministic_algorithms_enabled(),
            "torch's precision of products": torch.get_float32_matmul_precision(),
        }
    if jax := sys.modules.get("jax"):
        names = ("jax_enable_x64", "jax_disable_jit", "jax_debug_nans", "jax_default_dtype_bits")
        found |= {name: getattr(jax.config, name) for name in names if hasattr(jax.config, name)}
        found["JAX's precision of products"] = str(jax.config.jax_default_matmul_precision)
    return found


@contextmanager
def unusual() -> Iterator[None]:
    """Set unusual values, so that code that sets a constant is found as well. Restore the old ones
    afterwards."""
    state = np.random.get_state()  # noqa: NPY002
    torch = sys.modules.get("torch")
    before = torch and (torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads())
    with np.errstate(divide="raise", over="raise", invalid="raise"), np.printoptions(precision=5):
        np.random.seed(271828)  # noqa: NPY002
        if torch:
            torch.manual_seed(271828)
            torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002
            if torch and before:
                torch.set_rng_state(before[0])
                torch.set_default_dtype(before[1])
                torch.set_num_threads(before[2])


@pytest.mark.needs("grads", "trainer", "generate", "trace")
@pytest.mark.fills("nothing global")
@pytest.mark.parametrize("halfway", [False, True])
def test_nothing_global_changes(
    build: Callable[..., Model], batch: tuple, backend_name: str, judge: Judge, halfway: bool
) -> None:
    """Random states, error and gradient modes, default precisions, threads, the environment:
    nothing changes, also while a generator waits."""
    with unusual():
        before = world()
        model = build()
        answers(model, *batch)
        model.trace(batch[0])
        text = model.generate(batch[0][0], GREEDY)
        if halfway:
            next(text)
        after = world()
    for name, value in before.items():
        changed = float(after[name] != value)
        judge.holds("nothing global", backend_name, changed, f"{name} changed")
