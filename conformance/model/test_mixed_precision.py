"""What every run of the suite asks of mixed precision. `--backend torch@bf16` asks for more."""

import numpy as np
import pytest

from conformance.cases import random_weights
from conformance.compare import relative_error
from conformance.limits import FLOOR
from conformance.model.test_loss import loss_of
from conformance.subject import Subject
from conformance.training.test_optimizers import ADAMW
from shared.config import SampleConfig
from shared.errors import ConfigError


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.needs("trainer", "decode")
def test_products_in_bfloat16_and_the_rest_in_float32(subject: Subject) -> None:
    """Logits are as far from float64 as bfloat16 is, but their type is float32, and the loss is
    theirs to seven digits, in `loss` and in a step. Weights keep digits that bfloat16 lacks."""
    config, weights = subject.case.config, random_weights(subject.case)
    try:
        mixed = subject.backend.build(config, weights, dtype="bfloat16")
    except ConfigError:
        if subject.backend.name in ("torch", "jax"):
            raise
        return  # refused, as NumPy does: no backend has to offer it
    tokens, targets = subject.batch()
    logits, exact = mixed.logits(tokens), subject.model.logits(tokens)
    assert logits.dtype == np.float32
    assert FLOOR["float32"] < relative_error(logits, exact) < FLOOR["bfloat16"]
    _, first = next(iter(mixed.decode(tokens[0], SampleConfig(1))))
    assert first.dtype == np.float32
    expected, trainer = loss_of(logits, targets), mixed.trainer(ADAMW)
    for loss in (mixed.loss(tokens, targets), trainer.step(tokens, targets).loss):
        assert abs(loss - expected) < FLOOR["float32"] * expected, "a loss not in float32"
    for name, value in trainer.state().weights.items():
        assert (value.view(np.uint32) % 2**16).any(), f"{name} was rounded to bfloat16"
