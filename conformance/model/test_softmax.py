"""Attention weights and probabilities are distributions, with nothing on the future."""

import numpy as np
import pytest

from conformance.cases import CASES, FAR, LONG
from conformance.subject import Subject

pytestmark = pytest.mark.needs("trace")


@pytest.mark.cases(*(case.name for case in (*CASES, LONG, FAR)))
@pytest.mark.fills("weights on the future", "softmax rows sum to 1")
def test_attention_weights(subject: Subject) -> None:
    """Rows of the attention weights are non-negative, sum to 1, and are exactly 0 on the future."""
    tokens, config = subject.batch()[0], subject.case.config
    trace = subject.model.trace(tokens)
    B, T = tokens.shape
    future = np.triu(np.ones((T, T), dtype=bool), k=1)
    for i in range(config.n_layer):
        weights = trace[f"h.{i}.attn.weights"]
        assert weights.shape == (B, config.n_head, T, T)
        assert weights.min() >= 0
        on_future = weights[:, :, future].max()
        subject.holds("weights on the future", on_future, f"layer {i} sees the future")
        error = np.abs(weights.sum(axis=-1) - 1).max()
        subject.holds("softmax rows sum to 1", error, f"layer {i}'s weights")


@pytest.mark.fills("softmax rows sum to 1")
def test_probabilities(subject: Subject) -> None:
    """`probs` is the softmax of `logits`: non-negative rows that sum to 1, in the same order."""
    trace = subject.model.trace(subject.batch()[0])
    probs, logits = trace["probs"].astype(np.float64), trace["logits"].astype(np.float64)
    assert probs.min() >= 0
    error = np.abs(probs.sum(axis=-1) - 1).max()
    subject.holds("softmax rows sum to 1", error, "probs")
    expected = np.exp(logits - logits.max(axis=-1, keepdims=True))
    expected /= expected.sum(axis=-1, keepdims=True)
    error = np.abs(probs - expected).max()
    subject.holds("softmax rows sum to 1", error, "probs against softmax of logits")
