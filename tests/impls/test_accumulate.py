"""With `accumulate`, no micro-batch is larger than necessary, which is what saves memory.
conformance/training/test_optimizers.py checks that the step is the same."""

import pytest

from conformance.cases import BASE, random_batch
from impls.jax import step as jax_step
from impls.numpy import step as numpy_step
from impls.torch import step as torch_step
from shared.config import TrainConfig
from shared.layout import init_weights
from shared.protocol import load_backend


@pytest.mark.parametrize(("accumulate", "sizes"), [(3, {3, 2}), (9, {1})], ids=str)
@pytest.mark.parametrize("step", [numpy_step, torch_step, jax_step])
def test_a_batch_goes_through_in_parts(monkeypatch, step, accumulate, sizes):
    seen = set()
    cross_entropy = step.cross_entropy

    def watched(logits, targets):
        seen.add(logits.shape[0])
        return cross_entropy(logits, targets)

    monkeypatch.setattr(step, "cross_entropy", watched)
    jax_step.train_step.clear_cache()  # a function that is compiled already is not called
    backend = load_backend(step.__name__.split(".")[1])
    trainer = backend.build(BASE, init_weights(BASE, 0)).trainer(TrainConfig(accumulate=accumulate))
    trainer.step(*random_batch(BASE, batch_size=7))
    assert seen == sizes
