"""The baseline: counted exactly, and trained in the same way."""

import numpy as np
import pytest

from conformance import cases
from conformance.judge import Judge
from conformance.offers import offering, skip_not_offered
from shared.config import TrainConfig
from shared.protocol import Backend, BigramBackend

V = 7
CONFIG = TrainConfig(steps=20, warmup_steps=2, learning_rate=0.1, min_lr=0.01)

pytestmark = [pytest.mark.cases("gpt2"), pytest.mark.dtypes("float64")]


@pytest.fixture
def bigrams(backends: dict[str, Backend], judge: Judge) -> dict[str, BigramBackend]:
    """The backends that offer a bigram: the built-in ones, and any other that has it."""
    found = offering(backends, BigramBackend, judge)
    if judge.not_offered and len(found) < 2:
        skip_not_offered("bigram", judge)
    return found


def test_counts(bigrams: dict[str, BigramBackend]) -> None:
    """Every pair counted once: 0→1 twice, 1→0 once, 1→6 once, nothing else."""
    expected = np.zeros((V, V), dtype=int)
    expected[0, 1], expected[1, 0], expected[1, 6] = 2, 1, 1
    for name, backend in bigrams.items():
        counts = backend.count_bigrams(np.array([0, 1, 0, 1, 6]), V)
        np.testing.assert_array_equal(counts, expected, err_msg=name)


def test_many_of_a_pair(bigrams: dict[str, BigramBackend]) -> None:
    """A count beyond 16 bits."""
    for name, backend in bigrams.items():
        counts = backend.count_bigrams(np.zeros(70_001, dtype=np.uint8), 2)
        assert counts.tolist() == [[70_000, 0], [0, 0]], name


@pytest.mark.parametrize("integer", ["int8", "uint8", "int16", "uint16", "int32", "uint64"])
def test_counts_in_any_integer_type(bigrams: dict[str, BigramBackend], integer: str) -> None:
    """With 300 ids, the indices of pairs, up to 89,999, may exceed the type of the ids."""
    largest = min(np.iinfo(integer).max, 299)
    ids = np.array([largest, 0, largest, largest, 1], dtype=integer)
    ids.flags.writeable = False
    expected = np.zeros((300, 300), dtype=int)
    for pair in ((largest, 0), (0, largest), (largest, largest), (largest, 1)):
        expected[pair] += 1
    for name, backend in bigrams.items():
        np.testing.assert_array_equal(backend.count_bigrams(ids, 300), expected, err_msg=name)


@pytest.mark.fills("bigram")
@pytest.mark.parametrize("integer", ["int8", "uint16"])
def test_ids_in_any_integer_type(
    bigrams: dict[str, BigramBackend], judge: Judge, integer: str
) -> None:
    """Loss and gradient of a table with more rows than the type of the ids can count."""
    table = np.random.default_rng(cases.base_seed).standard_normal((300, 300))
    ids = np.array([[[1, 100], [127, 0]], [[0, 127], [2, 1]]], dtype=integer)
    ids.flags.writeable = False
    models = {name: backend.bigram(table, CONFIG, "float64") for name, backend in bigrams.items()}
    both = {name: model.loss_and_grad(*ids) for name, model in models.items()}
    judge.agree("bigram", {name: float(loss) for name, (loss, _) in both.items()})
    judge.agree("bigram", {name: grad for name, (_, grad) in both.items()})
    losses = {name: float(model.step(*ids)) for name, model in models.items()}
    judge.agree("bigram", losses)


@pytest.mark.fills("bigram")
def test_training(bigrams: dict[str, BigramBackend], judge: Judge, dtype: str) -> None:
    """Loss, gradient, and the table after twenty steps of AdamW."""
    rng = np.random.default_rng(cases.base_seed)
    table = rng.standard_normal((V, V))
    batches = rng.integers(0, V, (20, 2, 3, 5))  # steps, tokens and targets, B, T
    given = {name: table.copy() for name in bigrams}
    models = {name: backend.bigram(given[name], CONFIG, dtype) for name, backend in bigrams.items()}
    judge.agree("bigram", {name: model.loss(*batches[0]) for name, model in models.items()})
    both = {name: model.loss_and_grad(*batches[0]) for name, model in models.items()}
    judge.agree("bigram", {name: loss for name, (loss, _) in both.items()})
    judge.agree("bigram", {name: grad for name, (_, grad) in both.items()})
    for batch in batches:
        judge.agree("bigram", {name: model.step(*batch) for name, model in models.items()})
    judge.agree("bigram", {name: model.table() for name, model in models.items()})
    for name in given:
        np.testing.assert_array_equal(given[name], table, f"{name} trains the caller's table")
