"""Recompute the digits of known_models.py with the programs that they came from."""

from pathlib import Path

import pytest

from audits.oracles.hugging_face import HuggingFace
from audits.oracles.torch_layers import Stack
from conformance.compare import check_truth
from conformance.truths.known_models import KNOWN, TARGETS, TOKENS, formula_weights, slope


@pytest.mark.parametrize("name", KNOWN)
def test_digits_of_known_models(name: str, tmp_path: Path) -> None:
    """Loss, logits and slope, by the source that each model names. Other versions and processors
    round differently; the digits are at least this exact."""
    known = KNOWN[name]
    config, weights = known.config, formula_weights(known.config)
    by_torch = Stack.source in known.source
    model = Stack(config, weights) if by_torch else HuggingFace.of(config, weights, tmp_path)
    loss, grads = model.loss_and_grads(TOKENS, TARGETS)
    for what, found, truth in (
        ("logits", model.logits(TOKENS)[-1, -1, :5], known.logits),
        ("loss", loss, known.loss),
        ("slope", slope(config, grads), known.slope),
    ):
        check_truth(known.source, found, truth, 1e-13, what, "the literal")
