"""All backends refuse inputs that they would interpret differently."""

import numpy as np
import pytest

from conformance.cases import random_weights
from conformance.subject import Subject
from conformance.training.test_optimizers import ADAMW
from shared.config import SampleConfig
from shared.errors import ConfigError, InputError
from shared.protocol import Model

pytestmark = pytest.mark.cases("gpt2")

GOOD = np.array([[1, 2, 3], [4, 5, 6]])
BAD_TOKENS = {
    "an id too large": np.array([[1, 37]]),
    "a negative id": np.array([[-1, 2]]),
    "an id too large in a later row": np.array([[1, 2], [37, 3]]),
    "a negative id in the last row": np.array([[1, 2], [3, 4], [5, -1]]),
    "longer than the window": np.zeros((1, 12), dtype=int),
    "one dimension": np.array([1, 2, 3]),
    "three dimensions": np.zeros((1, 2, 3), dtype=int),
    "empty": np.zeros((1, 0), dtype=int),
    "no rows": np.zeros((0, 3), dtype=int),
    "floats": np.array([[1.0, 2.0]]),
    "booleans": np.array([[True, False]]),
}
BAD_TARGETS = [GOOD[:, :2], np.array([[1, 2, 3], [4, 5, 37]]), GOOD - 2, GOOD * 1.0]
BAD_PROMPTS = [np.array([], dtype=int), GOOD, np.array([1, 99])]

LOSSES = ["loss", pytest.param("loss_and_grads", marks=pytest.mark.needs("grads"))]
TRACE = pytest.param("trace", marks=pytest.mark.needs("trace"))
TEXTS = [pytest.param(method, marks=pytest.mark.needs(method)) for method in ("generate", "decode")]


@pytest.mark.parametrize("tokens", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
@pytest.mark.parametrize("method", ["logits", TRACE, *LOSSES])
def test_bad_tokens(model: Model, method: str, tokens: np.ndarray) -> None:
    """Out of range, too long, of the wrong shape or type: InputError from every method."""
    with pytest.raises(InputError):
        getattr(model, method)(*[tokens] * (1 if method in ("logits", "trace") else 2))


@pytest.mark.parametrize("targets", BAD_TARGETS)
@pytest.mark.parametrize("method", LOSSES)
def test_bad_targets(model: Model, method: str, targets: np.ndarray) -> None:
    """Targets of another shape, range or type than the tokens. (−100 has no special meaning.)"""
    with pytest.raises(InputError):
        getattr(model, method)(GOOD, targets)


@pytest.mark.needs("trainer")
def test_bad_batches_to_a_step(subject: Subject) -> None:
    """`step` refuses them, too, and then changes nothing: state and schedule stay as they were."""
    trainer, healthy = subject.trainer(ADAMW), subject.trainer(ADAMW)
    before = trainer.state()
    bad = [(tokens, tokens) for tokens in BAD_TOKENS.values()]
    for tokens, targets in [*bad, *((GOOD, targets) for targets in BAD_TARGETS)]:
        with pytest.raises(InputError):
            trainer.step(tokens, targets)
    after = trainer.state()
    assert after.step == 0
    for key, value in before.weights.items():
        np.testing.assert_array_equal(after.weights[key], value, err_msg=key)
    assert trainer.step(*subject.batch()) == healthy.step(*subject.batch())


@pytest.mark.parametrize("prompt", BAD_PROMPTS)
@pytest.mark.parametrize("method", TEXTS)
def test_bad_prompts(model: Model, method: str, prompt: np.ndarray) -> None:
    """An empty prompt, one with two dimensions, one with an unknown id."""
    with pytest.raises(InputError):
        list(getattr(model, method)(prompt, SampleConfig(max_new_tokens=1)))


@pytest.mark.parametrize("dtype_of_ids", ["int8", "uint16", "int32", "int64"])
def test_all_integer_types(model: Model, dtype_of_ids: str) -> None:
    np.testing.assert_array_equal(model.logits(GOOD.astype(dtype_of_ids)), model.logits(GOOD))


def test_bad_weights(subject: Subject) -> None:
    """A tensor missing, one too many, one transposed; an unknown precision or device."""
    build, config, good = subject.backend.build, subject.case.config, random_weights(subject.case)
    key = "transformer.h.0.mlp.c_fc.weight"
    missing = {name: value for name, value in good.items() if name != key}
    for weights in (missing, good | {"extra": np.zeros(3)}, good | {key: good[key].T}):
        with pytest.raises(InputError):
            build(config, weights)
    with pytest.raises(ConfigError):
        build(config, good, dtype="float16")
    for device in ("abacus", "tpu9", "warp", "meta", ""):
        with pytest.raises(ConfigError):
            build(config, good, device=device)
