"""Sizes: every batch size with every length, sizes beyond small tiles, every pair of options."""

import numpy as np
import pytest

from conformance.cases import DESIGN, LONG, SHAPES, SIZES, TEETH, Case, batch_of, random_batch
from conformance.judge import Judge
from conformance.subject import Backends, Models, Subject
from conformance.training.test_optimizers import ADAMW, SGD, a_step_agrees

pytestmark = pytest.mark.dtypes("float64")


@pytest.mark.cases("gpt2")
@pytest.mark.needs("grads")
@pytest.mark.fills("logits", "loss", "gradients")
@pytest.mark.parametrize(("B", "T"), SHAPES)
def test_every_shape(models: Models, case: Case, judge: Judge, B: int, T: int) -> None:
    """Logits and loss_and_grads at every batch size and length. (`loss` is compared in the covering
    design, which also pairs every batch size with every length.)"""
    tokens, targets = random_batch(case.config, batch_size=B, length=T)
    judge.answers_agree("logits", models, {}, lambda model: model.logits(tokens))
    judge.gradients_agree(models, {}, tokens, targets)


@pytest.mark.cases("gpt2")
@pytest.mark.needs("trace")
@pytest.mark.fills("taps")
@pytest.mark.parametrize(("B", "T"), [(1, 1), (12, 5)])
def test_traces_of_other_shapes(models: Models, case: Case, judge: Judge, B: int, T: int) -> None:
    """A trace of one token, and of many rows that are shorter than the window."""
    judge.taps_agree(models, random_batch(case.config, batch_size=B, length=T)[0])


@pytest.mark.cases(*(case.name for case in (*DESIGN, *SIZES)), "long sums")
@pytest.mark.needs("grads", "trainer")
@pytest.mark.fills("logits", "gradients", "loss")
def test_larger_and_pairs_of_options(
    backends: Backends, models: Models, case: Case, judge: Judge
) -> None:
    """Logits, loss, gradients, and a step of the case's optimizer: every pair of options; longer,
    deeper and wider models; and sizes that coincide."""
    tokens, targets = batch_of(case)
    judge.answers_agree("logits", models, {}, lambda model: model.logits(tokens))
    judge.answers_agree("loss", models, {}, lambda model: model.loss(tokens, targets))
    judge.gradients_agree(models, {}, tokens, targets)
    a_step_agrees(backends, case, {"adamw": ADAMW, "sgd": SGD}[case.optimizer], judge)


@pytest.mark.cases(*(case.name for case in TEETH), LONG.name)
@pytest.mark.dtypes("float32")
@pytest.mark.needs("grads")
@pytest.mark.fills("logits", "gradients", "loss")
def test_digits_are_kept(models: Models, truthful: Models, case: Case, judge: Judge) -> None:
    """In float32, with large means, large scores or long sums, only a good algorithm is exact."""
    tokens, targets = batch_of(case)
    judge.answers_agree("logits", models, truthful, lambda model: model.logits(tokens))
    judge.gradients_agree(models, truthful, tokens, targets)


# The rows of a batch are independent.


@pytest.mark.cases("gpt2", "original")
@pytest.mark.fills("rows alone")
@pytest.mark.parametrize("B", [12])
def test_rows_do_not_know_of_each_other(subject: Subject, B: int) -> None:
    """A row has the same logits alone, among twelve, and at another index."""
    model, (tokens, _) = subject.model, random_batch(subject.case.config, batch_size=B)
    together = model.logits(tokens)
    turned = model.logits(tokens[::-1])[::-1]
    check_rows(subject, turned, together, "reversing the rows changes their logits")
    for b in (0, B - 1):
        alone = model.logits(tokens[b : b + 1])
        what = f"row {b} of {B} gets different logits on its own"
        check_rows(subject, alone, together[b : b + 1], what)


@pytest.mark.cases("gpt2", "original")
@pytest.mark.fills("rows alone")
@pytest.mark.parametrize("B", [12])
def test_a_beginning_does_not_know_of_the_rest(subject: Subject, B: int) -> None:
    """The first five tokens have the same logits alone and as the start of eleven."""
    model, (tokens, _) = subject.model, random_batch(subject.case.config, batch_size=B)
    what = "the first five tokens get different logits without the rest"
    check_rows(subject, model.logits(tokens[:, :5]), model.logits(tokens)[:, :5], what)


@pytest.mark.cases("gpt2", "original")
@pytest.mark.needs("grads")
@pytest.mark.fills("rows alone")
@pytest.mark.parametrize("B", [12])
def test_a_batch_is_the_mean_of_its_rows(subject: Subject, B: int) -> None:
    """Loss and gradients of twelve rows are the mean of those of four batches of three."""
    model, (tokens, targets) = subject.model, random_batch(subject.case.config, batch_size=B)
    loss, grads = model.loss_and_grads(tokens, targets)
    parts = [model.loss_and_grads(tokens[i : i + 3], targets[i : i + 3]) for i in (0, 3, 6, 9)]
    mean = np.array([np.mean([part for part, _ in parts])])
    what = f"{B} rows is not the mean over four groups of three"
    check_rows(subject, np.array([loss]), mean, f"the loss of {what}")
    for key, grad in grads.items():
        expected = np.mean([part[key] for _, part in parts], axis=0)
        check_rows(subject, grad, expected, f"the gradient of {key} of {what}")


def check_rows(subject: Subject, found: np.ndarray, expected: np.ndarray, what: str) -> None:
    """Check that both are equal up to rounding: the order of sums differs."""
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    subject.holds("rows alone", error, what)
