"""The forward pass: weights arrive unchanged, every intermediate value and the logits agree."""

import numpy as np
import pytest

from conformance.cases import Case, random_weights
from conformance.judge import Judge
from shared.protocol import Backend, Model


@pytest.mark.fills("weights kept")
def test_weights_are_kept(model: Model, backend_name: str, case: Case, judge: Judge) -> None:
    """Loaded weights come back bit for bit: not transposed, merged or rounded."""
    given = random_weights(case)
    kept = model.weights()
    assert set(kept) == set(given)
    for key, value in kept.items():
        assert value.dtype == judge.dtype
        assert value.shape == given[key].shape
        difference = np.abs(value - given[key].astype(judge.dtype)).max()
        judge.holds("weights kept", backend_name, difference, f"{key} changed on loading")


@pytest.mark.fills("weights kept")
def test_weights_are_copied(
    backends: dict[str, Backend], backend_name: str, case: Case, dtype: str, judge: Judge
) -> None:
    """The model copies the arrays it is given, and returns copies of its own."""
    given = {key: value.astype(dtype) for key, value in random_weights(case).items()}
    model = backends[backend_name].build(case.config, given, dtype=dtype)
    before = model.weights()
    for arrays, whose in ((given, "given to build"), (model.weights(), "handed out by weights")):
        for array in arrays.values():
            array += 1
        for key, value in model.weights().items():
            difference = np.abs(value - before[key]).max()
            message = f"{key} is aliased, not copied: it follows the array {whose}"
            judge.holds("weights kept", backend_name, difference, message)


@pytest.mark.needs("trace")
@pytest.mark.fills("taps")
def test_taps(
    models: dict[str, Model], truthful: dict[str, Model], batch: tuple, judge: Judge
) -> None:
    """Every named value of the forward pass, in the order of the data flow."""
    judge.taps_agree(models, batch[0], truthful)


@pytest.mark.fills("logits")
def test_logits(
    models: dict[str, Model], truthful: dict[str, Model], batch: tuple, judge: Judge
) -> None:
    """The logits, from the fast path: without a trace, a fused kernel may be used."""
    judge.answers_agree("logits", models, truthful, lambda model: model.logits(batch[0]))


@pytest.mark.needs("trace")
@pytest.mark.fills("trace and logits")
def test_trace_and_logits_are_one_function(
    model: Model, backend_name: str, batch: tuple, judge: Judge
) -> None:
    """A backend's traced path and its fast path give the same logits."""
    fast, traced = model.logits(batch[0]), model.trace(batch[0])["logits"]
    error = np.abs(fast - traced).max() / np.abs(fast).max()
    judge.holds("trace and logits", backend_name, error, "trace and logits differ")
