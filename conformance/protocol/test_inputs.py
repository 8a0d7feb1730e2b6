"""Inputs of a backend: any memory layout and integer type; never changed, never kept."""

import importlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from conformance.cases import random_weights
from conformance.subject import Subject
from conformance.training.test_optimizers import ADAMW
from shared.config import SampleConfig
from shared.errors import InputError
from shared.protocol import Model, TrainState, precisions

pytestmark = [pytest.mark.cases("gpt2"), pytest.mark.dtypes("float64")]

GREEDY = SampleConfig(temperature=0.0, max_new_tokens=12)
DRAWN = SampleConfig(temperature=2.0, max_new_tokens=12)


def frozen(array: np.ndarray) -> np.ndarray:
    """Make a read-only copy, like an array in a memory-mapped file."""
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


@pytest.mark.needs("grads", "trainer", "generate")
@pytest.mark.fills("repeated", "inputs kept")
@pytest.mark.parametrize("layout", [*LAYOUTS, *INTEGERS])
def test_ids_in_any_layout(subject: Subject, layout: str) -> None:
    """Every memory layout and integer type gives the same bits, and the input is not changed."""
    batch = subject.batch()
    change = LAYOUTS.get(layout, lambda array: array.astype(layout))
    given = tuple(change(ids) for ids in batch)
    kept = deepcopy(given)
    expected, found = (answers(subject.build(), *ids) for ids in (batch, given))
    subject.same("repeated", expected, found, f"ids that are {layout}")
    subject.same("inputs kept", kept, given, "the ids given were changed")


@pytest.mark.needs("grads", "trainer", "generate")
@pytest.mark.fills("repeated", "inputs kept")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_in_any_layout(subject: Subject, layout: str) -> None:
    """The same for weights, in a mapping other than a dict; the order of names changes no logit."""
    given = {key: LAYOUTS[layout](value) for key, value in random_weights(subject.case).items()}
    kept = deepcopy(given)
    expected = answers(subject.build(), *subject.batch())
    found = answers(subject.build(MappingProxyType(given)), *subject.batch())
    subject.same("repeated", expected, found, f"weights that are {layout}")
    subject.same("inputs kept", kept, given, "the weights given were changed")
    logits = subject.build(dict(reversed(given.items()))).logits(subject.batch()[0])
    subject.same("repeated", expected["logits"], logits, "names in another order")


@pytest.mark.needs("grads", "trainer", "generate")
@pytest.mark.fills("inputs kept")
def test_what_is_given_is_not_kept(subject: Subject) -> None:
    """The caller may overwrite a prompt or a batch after the call; tokens may be the targets."""
    model, (same, _) = subject.build(), subject.batch()
    prompt = same[0, :5].copy()
    text = model.generate(prompt, DRAWN)
    alone = list(map(int, model.generate(same[0, :5], DRAWN)))
    prompt[:] = prompt[::-1].copy()
    assert alone != list(map(int, model.generate(prompt, DRAWN))), "the prompt must matter"
    message = "the prompt given to generate is read after the call"
    subject.same("inputs kept", alone, list(map(int, text)), message)
    one, two = (subject.trainer(ADAMW) for _ in range(2))
    for step in range(3):
        batch, given = subject.batch(step), subject.batch(step)
        one.step(*subject.batch(step))
        two.step(*given)
        subject.same("inputs kept", batch, given, "a step's batch changed")
        for array in given:
            array[:] = 0
    message = "a batch given to step is read after the call"
    subject.same("inputs kept", one.state(), two.state(), message)
    apart = model.loss_and_grads(same, same.copy())
    message = "tokens and targets in one array"
    subject.same("inputs kept", apart, model.loss_and_grads(same, same), message)


@pytest.mark.needs("grads", "trainer", "trace", "decode")
def test_results_are_the_callers(subject: Subject) -> None:
    """Results are writable, and C-contiguous because files are written straight from memory."""
    model, batch = subject.build(), subject.batch()
    trainer = model.trainer(ADAMW)
    trainer.step(*batch)
    state = trainer.state()
    text = enumerate(model.decode(batch[0][0], GREEDY))
    decoded = {f"token {n}": logits for n, (_, logits) in text}
    for arrays in ({"logits": model.logits(batch[0])}, model.trace(batch[0]), decoded,
                   model.weights(), model.loss_and_grads(*batch)[1], state.weights,
                   *state.moments.values()):  # fmt: skip
        for key, array in arrays.items():
            assert array.flags.c_contiguous, f"{key} is not C-contiguous"
            assert array.flags.writeable, f"{key} is read-only"


def test_the_precision_of_a_model(subject: Subject) -> None:
    """By default it is float32, if the backend has that."""
    default = "float32" if "float32" in precisions(subject.backend) else subject.dtype
    model = subject.backend.build(subject.case.config, random_weights(subject.case))
    assert model.logits(subject.batch()[0]).dtype == default
    assert {value.dtype for value in model.weights().values()} == {np.dtype(default)}


@pytest.mark.needs("trainer")
@pytest.mark.fills("resume")
def test_a_state_in_another_precision(subject: Subject) -> None:
    """A float64 trainer continues a float32 state in float64, and the other way round."""
    trainer = subject.trainer(ADAMW)
    trainer.step(*subject.batch())
    single = changed(trainer.state(), lambda array: array.astype(np.float32))
    trainer.load_state(single)
    expected = changed(single, lambda array: array.astype(np.float64))
    subject.same("resume", expected, trainer.state(), "a float32 state in a float64 trainer")
    trainer.step(*subject.batch())
    assert {value.dtype for value in trainer.state().weights.values()} == {np.dtype(np.float64)}


@pytest.mark.needs("trainer")
@pytest.mark.fills("resume")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_state_in_any_layout(subject: Subject, layout: str) -> None:
    """The memory layout of a state's arrays does not change one bit of the next step."""
    first, one, two = (subject.trainer(ADAMW) for _ in range(3))
    first.step(*subject.batch())
    one.load_state(first.state())
    two.load_state(changed(first.state(), LAYOUTS[layout]))
    for trainer in (one, two):
        trainer.step(*subject.batch())
    message = f"a state whose arrays are {layout}"
    subject.same("resume", one.state(), two.state(), message)


def changed(state: TrainState, change: Callable[[np.ndarray], np.ndarray]) -> TrainState:
    """The state with `change` applied to every array."""
    every = (state.weights, *state.moments.values())
    weights, *moments = ({key: change(x) for key, x in arrays.items()} for arrays in every)
    return TrainState(state.step, weights, dict(zip(state.moments, moments, strict=True)))


@pytest.mark.needs("trainer")
def test_bad_states(subject: Subject) -> None:
    """A state without a tensor or a moment, with one too many, or of another optimizer."""
    trainer = subject.trainer(ADAMW)
    state = trainer.state()
    key = "transformer.wpe.weight"
    lost = {name: value for name, value in state.weights.items() if name != key}
    for bad in (
        {"weights": lost},
        {"weights": state.weights | {key: state.weights[key].T}},
        {"weights": state.weights | {"extra": np.zeros(3)}},
        {"moments": {}},
        {"moments": {"m": state.moments["m"]}},
        {"moments": state.moments | {"m": lost}},
        {"step": -1},
    ):
        with pytest.raises(InputError):
            trainer.load_state(replace(state, **bad))
        for name, value in trainer.state().weights.items():
            np.testing.assert_array_equal(value, state.weights[name])


OF_TORCH = (
    *("get_default_dtype", "is_grad_enabled", "is_inference_mode_enabled", "get_num_threads"),
    *("are_deterministic_algorithms_enabled", "get_float32_matmul_precision"),
)


def world() -> dict[str, Any]:
    """Global state of the process, with that of the frameworks that are loaded."""
    if "torch" in sys.modules:  # at its first optimizer, which sets a variable and filters
        importlib.import_module("torch._dynamo")
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
        found |= {f"torch.{name}": getattr(torch, name)() for name in OF_TORCH}
        found["torch's random state"] = torch.get_rng_state().tolist()
    if jax := sys.modules.get("jax"):
        names = ("jax_enable_x64", "jax_disable_jit", "jax_debug_nans", "jax_default_dtype_bits")
        found |= {name: getattr(jax.config, name) for name in names if hasattr(jax.config, name)}
        found["JAX's precision of products"] = str(jax.config.jax_default_matmul_precision)
    return found


@contextmanager
def unusual() -> Iterator[None]:
    """Set unusual values, to find code that sets constants; restores what other tests would see."""
    torch = sys.modules.get("torch")
    before = torch and (torch.get_default_dtype(), torch.get_num_threads())
    np.random.seed(271828)  # noqa: NPY002
    if torch:
        torch.manual_seed(271828)
        torch.set_default_dtype(torch.float32)
    with np.errstate(divide="raise", over="raise", invalid="raise"), np.printoptions(precision=5):
        try:
            yield
        finally:
            if torch:
                torch.set_default_dtype(before[0])
                torch.set_num_threads(before[1])


@pytest.mark.needs("grads", "trainer", "generate", "trace")
@pytest.mark.fills("nothing global")
@pytest.mark.parametrize("halfway", [False, True])
def test_nothing_global_changes(subject: Subject, halfway: bool) -> None:
    """Random states, error and gradient modes, default precisions, threads, the environment:
    nothing changes, even while a generator is suspended."""
    tokens, targets = subject.batch()
    with unusual():
        before = world()
        model = subject.build()
        answers(model, tokens, targets)
        model.trace(tokens)
        text = model.generate(tokens[0], GREEDY)
        if halfway:
            next(text)
        after = world()
    for name, value in before.items():
        subject.holds("nothing global", float(after[name] != value), f"{name} changed")


@pytest.mark.cases("gpt2")
@pytest.mark.needs("grads", "generate", "trace")
def test_everything_is_where_the_model_is(subject: Subject) -> None:
    """PyTorch makes no tensor on its default device, here one without data: it may be another."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return  # no tensor at all

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None):
            result = call(*args, **(kwargs or {}))
            assert getattr(result, "device", None) != torch.device("meta"), call
            return result

    model, (tokens, targets) = subject.build(), subject.batch()
    with torch.device("meta"), Watch():
        list(model.generate(tokens[0], GREEDY))
        model.trace(tokens)
        model.loss_and_grads(tokens, targets)


FRESH = """
import importlib, sys
from conformance.protocol.test_inputs import world
from shared.config import GPTConfig, TrainConfig
from shared.memory import check_memory
from shared.protocol import load_backend
for framework in sys.argv[2:]:
    importlib.import_module(framework)
before = world()
load_backend(sys.argv[1])
changed = {name for name, value in world().items() if before.get(name) != value}
print(*changed - {"jax_enable_x64"}, sep=", ")  # JAX has no float64 without it
check_memory(GPTConfig(9), TrainConfig(), "bfloat16")  # a type that NumPy learns from JAX
"""
FRAMEWORKS = {"numpy": [], "torch": ["torch"], "jax": ["jax", "flax.nnx", "optax"]}


@pytest.mark.dtypes("float64")
@pytest.mark.cases("gpt2")
def test_an_import_changes_nothing(subject: Subject) -> None:
    """In a new process, loading a backend leaves what its framework, alone, had set."""
    if subject.backend.name not in FRAMEWORKS:
        pytest.skip("a guest's framework is not known")
    names = [subject.name, *FRAMEWORKS[subject.backend.name]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", FRESH, *names], env=environment, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stdout + ran.stderr
