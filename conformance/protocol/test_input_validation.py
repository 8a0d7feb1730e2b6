"""All backends refuse inputs that they would understand differently."""

import numpy as np
import pytest

from conformance.cases import Case, random_batch, random_weights
from conformance.training.test_optimizers import ADAMW
from shared.config import SampleConfig
from shared.errors import ConfigError, InputError
from shared.protocol import Backend, Model, StepResult

pytestmark = pytest.mark.cases("gpt2")

GOOD = np.array([[1, 2, 3]])
BAD_TOKENS = {
    "an id too large": np.array([[1, 37]]),
    "a negative id": np.array([[-1, 2]]),
    "longer than the window": np.zeros((1, 12), dtype=int),
    "one dimension": np.array([1, 2, 3]),
    "three dimensions": np.zeros((1, 2, 3), dtype=int),
    "empty": np.zeros((1, 0), dtype=int),
    "no rows": np.zeros((0, 3), dtype=int),
    "floats": np.array([[1.0, 2.0]]),
    "booleans": np.array([[True, False]]),
}
BAD_TARGETS = [np.array([[1, 2]]), np.array([[1, 2, 37]]), GOOD * 1.0]


@pytest.mark.parametrize("tokens", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_tokens(model: Model, tokens: np.ndarray) -> None:
    """Out of range, too long, of another shape or type: InputError from every method."""
    with pytest.raises(InputError):
        model.logits(tokens)
    with pytest.raises(InputError):
        model.loss(tokens, tokens)


@pytest.mark.needs("trace")
@pytest.mark.parametrize("tokens", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_tokens_to_trace(model: Model, tokens: np.ndarray) -> None:
    """The same from `trace`."""
    with pytest.raises(InputError):
        model.trace(tokens)


@pytest.mark.needs("grads")
@pytest.mark.parametrize("tokens", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_tokens_to_gradients(model: Model, tokens: np.ndarray) -> None:
    """The same from `loss_and_grads`."""
    with pytest.raises(InputError):
        model.loss_and_grads(tokens, tokens)


@pytest.mark.parametrize("targets", BAD_TARGETS)
def test_bad_targets(model: Model, targets: np.ndarray) -> None:
    """Targets of another shape, range or type than the tokens. (−100 means nothing here.)"""
    with pytest.raises(InputError):
        model.loss(GOOD, targets)


@pytest.mark.needs("grads")
@pytest.mark.parametrize("targets", BAD_TARGETS)
def test_bad_targets_to_gradients(model: Model, targets: np.ndarray) -> None:
    """The same from `loss_and_grads`."""
    with pytest.raises(InputError):
        model.loss_and_grads(GOOD, targets)


@pytest.mark.needs("trainer")
def test_bad_batches_to_a_step(
    backends: dict[str, Backend], backend_name: str, case: Case, dtype: str
) -> None:
    """The same from `step`, which then changes nothing: state and schedule stay as before."""
    model = backends[backend_name].build(case.config, random_weights(case), dtype=dtype)
    trainer = model.trainer(ADAMW)
    before = trainer.state()
    for tokens in BAD_TOKENS.values():
        with pytest.raises(InputError):
            trainer.step(tokens, tokens)
    for targets in BAD_TARGETS:
        with pytest.raises(InputError):
            trainer.step(GOOD, targets)
    after = trainer.state()
    assert after.step == 0
    for key, value in before.weights.items():
        np.testing.assert_array_equal(after.weights[key], value, err_msg=key)
    tokens, targets = random_batch(case.config)
    assert trainer.step(tokens, targets) == healthy_step(backends[backend_name], case, dtype)


def healthy_step(backend: Backend, case: Case, dtype: str) -> StepResult:
    """The first step of a trainer that has only had valid inputs."""
    model = backend.build(case.config, random_weights(case), dtype=dtype)
    return model.trainer(ADAMW).step(*random_batch(case.config))


@pytest.mark.needs("decode")
@pytest.mark.parametrize("prompt", [np.array([], dtype=int), GOOD, np.array([1, 99])])
def test_bad_prompts_to_decode(model: Model, prompt: np.ndarray) -> None:
    """The same from `decode` as from `generate`."""
    with pytest.raises(InputError):
        list(model.decode(prompt, SampleConfig(max_new_tokens=1)))


@pytest.mark.needs("generate")
@pytest.mark.parametrize("prompt", [np.array([], dtype=int), GOOD, np.array([1, 99])])
def test_bad_prompts(model: Model, prompt: np.ndarray) -> None:
    """An empty prompt, one with two dimensions, one with an unknown id."""
    with pytest.raises(InputError):
        list(model.generate(prompt, SampleConfig(max_new_tokens=1)))


@pytest.mark.parametrize("dtype_of_ids", ["int8", "uint16", "int32", "int64"])
def test_all_integer_types(model: Model, dtype_of_ids: str) -> None:
    """Every integer type is accepted, and gives the same."""
    np.testing.assert_array_equal(model.logits(GOOD.astype(dtype_of_ids)), model.logits(GOOD))


def test_bad_weights(backends: dict[str, Backend], backend_name: str, case: Case) -> None:
    """A tensor missing, one too many, one transposed; an unknown precision or device."""
    build, good = backends[backend_name].build, random_weights(case)
    key = "transformer.h.0.mlp.c_fc.weight"
    bad = [
        {name: value for name, value in good.items() if name != key},
        good | {"extra": np.zeros(3)},
        good | {key: good[key].T},
    ]
    for weights in bad:
        with pytest.raises(InputError):
            build(case.config, weights)
    with pytest.raises(ConfigError):
        build(case.config, good, dtype="float16")
    for device in ("abacus", "tpu9", "warp", "meta", ""):
        with pytest.raises(ConfigError):
            build(case.config, good, device=device)
