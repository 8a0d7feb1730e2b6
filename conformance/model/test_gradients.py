"""Gradients: of every tensor, against each other and against finite differences."""

from copy import deepcopy

import numpy as np
import pytest

from conformance.cases import random_weights
from conformance.judge import Judge
from conformance.subject import Models, Subject
from shared import randomness

pytestmark = pytest.mark.needs("grads")


@pytest.mark.fills("gradients")
def test_gradients(models: Models, truthful: Models, batch: tuple, judge: Judge) -> None:
    """The gradient of every tensor agrees, checked from the loss backwards."""
    judge.gradients_agree(models, truthful, *batch)


@pytest.mark.fills("repeated")
def test_gradients_do_not_pile_up(subject: Subject) -> None:
    first = deepcopy(subject.model.loss_and_grads(*subject.batch()))
    again = subject.model.loss_and_grads(*subject.batch())
    subject.same("repeated", first, again, "loss_and_grads")


# Not in float32, where rounding swallows h, nor on "large", whose curvature is too large for h.
@pytest.mark.dtypes("float64")
@pytest.mark.cases("gpt2", "nanogpt", "original", "erf", "post-erf")
@pytest.mark.fills("finite differences")
def test_finite_differences(subject: Subject) -> None:
    """The slope of the loss along a random direction in every tensor, measured by two losses a
    small step apart, equals the gradient times the direction. This needs no other backend.

    The error of the two-sided difference is about h²/6 times the third derivative, plus rounding,
    about 1e-16/h; both are small for h around 1e-5. If the kink of a ReLU is within the step, it is
    wrong for another reason, but a smaller step is right: so the better of two steps counts."""
    weights, batch = random_weights(subject.case), subject.batch()
    _, grads = subject.build().loss_and_grads(*batch)
    rng = randomness.generator(1, randomness.WEIGHTS)
    for key, weight in weights.items():
        direction = rng.standard_normal(weight.shape)
        direction /= np.linalg.norm(direction)
        expected = float((grads[key] * direction).sum())
        slopes = []
        for h in (1e-5, 1e-6):
            up, down = (
                subject.build(weights | {key: weight + step * direction}).loss(*batch)
                for step in (h, -h)
            )
            slopes.append((up - down) / (2 * h))
        error = np.abs(np.array(slopes) - expected).min() / np.linalg.norm(grads[key])
        subject.holds("finite differences", error, f"the gradient of {key}")
