"""Recompute the digits of known_models.py with the programs that they came from."""

from pathlib import Path

import pytest
import torch

from audits.oracles import hugging_face
from audits.oracles.torch_layers import Stack
from conformance.truths.known_models import KNOWN, TARGETS, TOKENS, formula_weights, slope
from conformance.truths.truth import check_truth
from shared.checkpoints.checkpoint import save_checkpoint

LIMIT = 1e-13
"""Other versions and processors round differently; the digits are at least this exact."""


@pytest.mark.parametrize("name", KNOWN)
def test_digits_of_known_models(name: str, tmp_path: Path) -> None:
    """Loss, logits and slope, by the source that each model names."""
    known = KNOWN[name]
    weights = formula_weights(known.config)
    if "TransformerEncoderLayer" in known.source:
        stack = Stack(known.config, weights)
        with torch.no_grad():
            logits = stack(torch.from_numpy(TOKENS)).numpy()
        loss, grads = stack.loss_and_grads(TOKENS, TARGETS)
    else:
        save_checkpoint(tmp_path / "checkpoint", known.config, weights)
        model = hugging_face.load(tmp_path / "checkpoint")
        logits = hugging_face.logits(model, TOKENS)
        loss, grads = hugging_face.loss_and_grads(model, TOKENS, TARGETS)
    for what, found, truth in (
        ("logits", logits[-1, -1, :5], known.logits),
        ("loss", loss, known.loss),
        ("slope", slope(known.config, grads), known.slope),
    ):
        check_truth(known.source, found, truth, LIMIT, what, "the literal")
