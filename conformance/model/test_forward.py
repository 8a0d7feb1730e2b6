"""The forward pass: weights arrive unchanged, every intermediate value and the logits agree."""

import numpy as np
import pytest

from conformance.cases import random_weights
from conformance.judge import Judge
from conformance.subject import Models, Subject


@pytest.mark.fills("weights kept")
def test_weights_are_kept(subject: Subject) -> None:
    """Loaded weights come back bit for bit: not transposed, merged or rounded."""
    given = random_weights(subject.case)
    kept = subject.model.weights()
    assert set(kept) == set(given)
    for key, value in kept.items():
        assert value.dtype == subject.weight_dtype
        assert value.shape == given[key].shape
        difference = np.abs(value - given[key].astype(subject.weight_dtype)).max()
        subject.holds("weights kept", difference, f"{key} changed on loading")


@pytest.mark.fills("weights kept")
def test_weights_are_copied(subject: Subject) -> None:
    """The model copies the arrays it is given, and returns copies of its own."""
    weights, dtype = random_weights(subject.case), subject.weight_dtype
    given = {key: value.astype(dtype) for key, value in weights.items()}
    model = subject.build(given)
    before = model.weights()
    for arrays, whose in ((given, "given to build"), (model.weights(), "handed out by weights")):
        for array in arrays.values():
            array += 1
        for key, value in model.weights().items():
            difference = np.abs(value - before[key]).max()
            message = f"{key} is aliased, not copied: it follows the array {whose}"
            subject.holds("weights kept", difference, message)


@pytest.mark.needs("trace")
@pytest.mark.fills("taps")
def test_taps(models: Models, truthful: Models, batch: tuple, judge: Judge) -> None:
    """Every named value of the forward pass, in the order of the data flow."""
    judge.taps_agree(models, batch[0], truthful)


@pytest.mark.fills("logits")
def test_logits(models: Models, truthful: Models, batch: tuple, judge: Judge) -> None:
    """The logits, from the fast path: without a trace, a fused kernel may be used."""
    judge.answers_agree("logits", models, truthful, lambda model: model.logits(batch[0]))


@pytest.mark.needs("trace")
@pytest.mark.fills("trace and logits")
def test_trace_and_logits_are_one_function(subject: Subject) -> None:
    tokens, _ = subject.batch()
    fast, traced = subject.model.logits(tokens), subject.model.trace(tokens)["logits"]
    error = np.abs(fast - traced).max() / np.abs(fast).max()
    subject.holds("trace and logits", error, "trace and logits differ")
