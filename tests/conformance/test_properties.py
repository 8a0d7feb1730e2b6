"""A change of the weights that must not change the result."""

from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import BASE, Case, batch_of, random_weights
from shared.protocol import load_backend


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_key_bias_changes_nothing(norm: str) -> None:
    """It shifts all scores of a row equally, which softmax ignores. So its gradient is zero."""
    case = Case("key bias", replace(BASE, norm=norm))
    key, keys = "transformer.h.1.attn.c_attn.bias", slice(BASE.n_embd, 2 * BASE.n_embd)
    weights = random_weights(case)
    model = load_backend("numpy").build(case.config, weights, dtype="float64")
    bias = weights[key].copy()
    bias[keys] += np.random.default_rng(1).standard_normal(BASE.n_embd)
    other = load_backend("numpy").build(case.config, weights | {key: bias}, dtype="float64")
    tokens, targets = batch_of(case)
    np.testing.assert_allclose(other.logits(tokens), model.logits(tokens), rtol=0, atol=1e-12)
    assert np.abs(model.loss_and_grads(tokens, targets)[1][key][keys]).max() < 1e-15
