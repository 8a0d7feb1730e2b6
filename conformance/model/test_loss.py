"""The loss: mean negative log probability of the targets, in nats per token."""

import numpy as np
import pytest

from conformance.cases import random_weights
from conformance.judge import Judge
from conformance.subject import Models, Subject


@pytest.mark.fills("loss")
def test_loss(models: Models, truthful: Models, batch: tuple, judge: Judge) -> None:
    judge.answers_agree("loss", models, truthful, lambda model: model.loss(*batch))


def loss_of(logits: np.ndarray, targets: np.ndarray) -> float:
    """The mean of −ln softmax(logits)[target], in float64."""
    wide = logits.astype(np.float64)
    log_sum = np.logaddexp.reduce(wide, axis=-1, keepdims=True)
    return float((log_sum - np.take_along_axis(wide, targets[..., None], axis=-1)).mean())


@pytest.mark.fills("loss by definition")
def test_loss_is_the_mean_of_minus_log_probs(subject: Subject) -> None:
    """Compare with the loss of the backend's own logits, computed here in float64, to find mistakes
    that all backends share (a sum instead of a mean, a base-2 logarithm, shifted targets)."""
    tokens, targets = subject.batch()
    expected = loss_of(subject.model.logits(tokens), targets)
    error = abs(subject.model.loss(tokens, targets) - expected) / expected
    subject.holds("loss by definition", error, "the loss is not the mean of −ln probs[target]")


@pytest.mark.needs("grads")
@pytest.mark.fills("loss by definition")
def test_loss_with_gradients_is_the_same_loss(subject: Subject) -> None:
    loss = subject.model.loss(*subject.batch())
    with_grads, _ = subject.model.loss_and_grads(*subject.batch())
    error = abs(loss - with_grads) / loss
    subject.holds("loss by definition", error, "loss and loss_and_grads differ")


@pytest.mark.cases("erf")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("loss by definition")
@pytest.mark.parametrize("shift", [-1000.0, 1000.0])
def test_a_shift_of_all_logits_changes_no_loss(subject: Subject, shift: float) -> None:
    """The first channel of ln_f is 1 everywhere, so the first column of lm_head is added to the
    logits. exp would overflow or be 0 if the largest were not subtracted first."""
    weights = random_weights(subject.case)
    weights["transformer.ln_f.weight"][0], weights["transformer.ln_f.bias"][0] = 0.0, 1.0
    expected = subject.build(weights).loss(*subject.batch())
    weights["lm_head.weight"][:, 0] += shift
    error = abs(subject.build(weights).loss(*subject.batch()) - expected) / expected
    subject.holds("loss by definition", error, f"the loss changes when all logits are {shift} more")
