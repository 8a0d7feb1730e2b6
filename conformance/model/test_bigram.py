"""The bigram: every backend counts it exactly, and trains it in the same way."""

import numpy as np
import pytest

from conformance import cases
from conformance.judge import Judge
from conformance.subject import Backends, offering, skip_not_offered
from shared.config import TrainConfig
from shared.protocol import BigramBackend

Bigrams = dict[str, BigramBackend]

V = 7
CONFIG = TrainConfig(steps=20, warmup_steps=2, learning_rate=0.1, min_lr=0.01)

pytestmark = [pytest.mark.cases("gpt2"), pytest.mark.dtypes("float64")]


@pytest.fixture
def bigrams(backends: Backends, judge: Judge) -> Bigrams:
    """The backends that offer a bigram: the built-in ones, and any other that has it."""
    found = offering(backends, BigramBackend, judge)
    if judge.not_offered and len(found) < 2:
        skip_not_offered("bigram", judge)
    return found


# 70,000 is beyond 16 bits; with 300 ids, the indices of pairs, up to 89,999, may exceed the type of
# the ids.
COUNTED = {
    "every pair once": (7, np.array([0, 1, 0, 1, 6]), {(0, 1): 2, (1, 0): 1, (1, 6): 1}),
    "many of a pair": (2, np.zeros(70_001, dtype=np.uint8), {(0, 0): 70_000}),
    **{
        integer: (
            300,
            np.array([largest, 0, largest, largest, 1], dtype=integer),
            dict.fromkeys([(largest, 0), (0, largest), (largest, largest), (largest, 1)], 1),
        )
        for integer in ("int8", "uint8", "int16", "uint16", "int32", "uint64")
        for largest in [min(np.iinfo(integer).max, 299)]
    },
}


@pytest.mark.parametrize(("V", "ids", "pairs"), COUNTED.values(), ids=COUNTED)
def test_counts(bigrams: Bigrams, V: int, ids: np.ndarray, pairs: dict) -> None:
    """Every pair is counted, and nothing else, for ids of any integer type."""
    expected = np.zeros((V, V), dtype=int)
    for pair, count in pairs.items():
        expected[pair] = count
    ids.flags.writeable = False
    for name, backend in bigrams.items():
        np.testing.assert_array_equal(backend.count_bigrams(ids, V), expected, err_msg=name)


@pytest.mark.fills("bigram")
@pytest.mark.parametrize("integer", ["int8", "uint16"])
def test_ids_in_any_integer_type(bigrams: Bigrams, judge: Judge, integer: str) -> None:
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
def test_training(bigrams: Bigrams, judge: Judge, dtype: str) -> None:
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
