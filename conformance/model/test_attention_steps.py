"""From averaging to self-attention: three equal steps, and a fourth that is an attention head."""

import numpy as np
import pytest

from conformance import cases
from conformance.cases import random_weights
from conformance.compare import check_fit, relative_error
from conformance.judge import Judge
from conformance.subject import Backends, Subject, offering, skip_not_offered
from shared.protocol import AttentionStepsBackend
from shared.taps import STEPS, step_names

CHECK = "attention steps"
B, T, C, D = 2, 7, 5, 3

pytestmark = [pytest.mark.dtypes("float64"), pytest.mark.fills(CHECK)]


@pytest.fixture
def capable(backends: Backends, judge: Judge) -> dict[str, AttentionStepsBackend]:
    return offering(backends, AttentionStepsBackend, judge)


@pytest.fixture
def one(capable: dict[str, AttentionStepsBackend], subject: Subject) -> AttentionStepsBackend:
    if subject.name not in capable:
        skip_not_offered(CHECK, subject.judge)
    return capable[subject.name]


def steps_of(backend: AttentionStepsBackend, x: np.ndarray) -> dict[str, np.ndarray]:
    """Every value of the four steps, for x and a random projection."""
    rng = np.random.default_rng(cases.base_seed)
    weight, bias = rng.standard_normal((x.shape[-1], 3 * D)), rng.standard_normal(3 * D)
    found = backend.attention_steps(x, weight.astype(x.dtype), bias.astype(x.dtype))
    assert set(found) == set(step_names())
    return found


def random_x() -> np.ndarray:
    return np.random.default_rng(cases.base_seed + 1).standard_normal((B, T, C))


@pytest.mark.cases("gpt2")
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_steps(capable: dict[str, AttentionStepsBackend], judge: Judge, scale: float) -> None:
    """Every value of every step agrees, also where exp of a score overflows."""
    if judge.not_offered and len(capable) < 2:
        skip_not_offered(CHECK, judge)
    found = judge.each(capable, lambda backend: steps_of(backend, scale * random_x()))
    for name in step_names():
        judge.agree(CHECK, {backend: values[name] for backend, values in found.items()}, name)


@pytest.mark.cases("gpt2")
def test_averages(one: AttentionStepsBackend, subject: Subject) -> None:
    """Steps 1, 2 and 3 give the mean of the past, here computed by a cumulative sum in NumPy."""
    x = random_x()
    expected = x.cumsum(axis=1) / np.arange(1, T + 1)[:, None]
    found = steps_of(one, x)
    for step in list(STEPS)[:3]:
        agrees(subject, step, found[f"{step}.y"], expected)
        single = steps_of(one, x.astype(np.float32))[f"{step}.y"]
        assert single.dtype == np.float32, f"{step} turns float32 into {single.dtype}"


@pytest.mark.needs("trace")
@pytest.mark.cases("gpt2", "original", "erf")
def test_self_attention_is_a_head(one: AttentionStepsBackend, subject: Subject) -> None:
    """Step 4 gives the output of each head of the model's first block, from the same input."""
    config, weights = subject.case.config, random_weights(subject.case)
    C, H, D = config.n_embd, config.n_head, config.head_size
    trace = subject.model.trace(subject.batch()[0])
    x = trace["h.0.ln_1" if config.norm == "pre" else "embed"]
    weight = weights["transformer.h.0.attn.c_attn.weight"].reshape(C, 3, H, D)
    bias = weights["transformer.h.0.attn.c_attn.bias"].reshape(3, H, D)
    for h in range(H):
        found = one.attention_steps(x, weight[:, :, h].reshape(C, 3 * D), bias[:, h].ravel())
        expected = {
            **{name: trace[f"h.0.attn.{name}"][:, h] for name in ("q", "k", "v", "scores")},
            "weights": trace["h.0.attn.weights"][:, h],
            "y": trace["h.0.attn.y"][:, :, h * D : (h + 1) * D],
        }
        for name, value in expected.items():
            what = f"self_attention.{name}"
            agrees(subject, f"{what} of head {h}", found[what], value)


def agrees(subject: Subject, what: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Check that both are comparable and within the limit; NaN and empty arrays are not."""
    __tracebackhide__ = True
    for value in (found, expected):
        check_fit(subject.name, value, subject.dtype)
    assert found.shape == expected.shape, f"{what} has shape {found.shape}, not {expected.shape}"
    subject.holds(CHECK, relative_error(found, expected), what)
