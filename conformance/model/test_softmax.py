"""Attention weights and probabilities are distributions, with nothing on the future."""

import numpy as np
import pytest

from conformance.cases import CASES, FAR, LONG, Case
from conformance.judge import Judge
from shared.protocol import Model

pytestmark = pytest.mark.needs("trace")


@pytest.mark.cases(*(case.name for case in (*CASES, LONG, FAR)))
@pytest.mark.fills("weights on the future", "softmax rows sum to 1")
def test_attention_weights(
    model: Model, backend_name: str, case: Case, batch: tuple, judge: Judge
) -> None:
    """Rows of the attention weights are non-negative, sum to 1, and are exactly 0 on the future."""
    trace = model.trace(batch[0])
    T = batch[0].shape[1]
    future = np.triu(np.ones((T, T), dtype=bool), k=1)
    for i in range(case.config.n_layer):
        weights = trace[f"h.{i}.attn.weights"]
        assert weights.shape == (len(batch[0]), case.config.n_head, T, T)
        assert weights.min() >= 0
        on_future = weights[:, :, future].max()
        judge.holds("weights on the future", backend_name, on_future, f"layer {i} sees the future")
        error = np.abs(weights.sum(axis=-1) - 1).max()
        judge.holds("softmax rows sum to 1", backend_name, error, f"layer {i}'s weights")


@pytest.mark.fills("softmax rows sum to 1")
def test_probabilities(model: Model, backend_name: str, batch: tuple, judge: Judge) -> None:
    """`probs` is the softmax of `logits`: non-negative rows that sum to 1, in the same order."""
    trace = model.trace(batch[0])
    probs, logits = trace["probs"].astype(np.float64), trace["logits"].astype(np.float64)
    assert probs.min() >= 0
    error = np.abs(probs.sum(axis=-1) - 1).max()
    judge.holds("softmax rows sum to 1", backend_name, error, "probs")
    expected = np.exp(logits - logits.max(axis=-1, keepdims=True))
    expected /= expected.sum(axis=-1, keepdims=True)
    error = np.abs(probs - expected).max()
    judge.holds("softmax rows sum to 1", backend_name, error, "probs against softmax of logits")
