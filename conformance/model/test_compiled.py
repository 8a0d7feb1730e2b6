"""The JAX backend compiled as in training: with all of XLA's optimizations. The rest of the suite
turns them off, to compile quickly (see conftest.py). Here a separate process compiles without those
options. Guest backends may use XLA, too, and are treated in the same way."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from conformance import cases
from conformance.cases import Case, random_batch, random_weights, rounded
from conformance.judge import Judge
from conformance.subject import Backends, Models
from conformance.training.test_optimizers import SGD
from shared.protocol import Backend, load_backend


def answers(backend: Backend, case: Case, dtype: str) -> dict[str, np.ndarray]:
    """Logits, and the weights after two steps of SGD, which contain the gradients of both."""
    model = backend.build(case.config, rounded(random_weights(case)), dtype=dtype)
    tokens, targets = random_batch(case.config)
    logits, trainer = model.logits(tokens), model.trainer(SGD)
    for _ in range(2):
        trainer.step(tokens, targets)
    return {"logits": logits, **trainer.state().weights}


def optimized(name: str, case: Case, seed: int) -> dict[str, np.ndarray]:
    """The answers in a process that was started without conftest.py's options."""
    cases.base_seed = seed
    return answers(load_backend(name), case, "float32")


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float32")
@pytest.mark.needs("trainer")
@pytest.mark.fills("logits", "SGD, 1 step")
def test_compiled_as_in_training(
    backends: Backends, models: Models, truthful: Models, case: Case, judge: Judge, monkeypatch
) -> None:
    """Compare the results of a separate process in which JAX compiles as in training."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    found = {}
    for name, backend in backends.items():
        if name in ("numpy", "torch"):
            found[name] = answers(backend, case, "float32")
            continue
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            found[name] = alone.submit(optimized, name, case, cases.base_seed).result()
    truths = {name: answers(backends[name], case, "float64") for name in truthful}
    logits = {name: values.pop("logits") for name, values in found.items()}
    true_logits = {name: values.pop("logits") for name, values in truths.items()}
    judge.agree("logits", logits, "logits, compiled as in a training", true_logits)
    what = "weights after two steps, compiled as in a training"
    judge.tensors_agree("SGD, 1 step", found, models, what, truths)
