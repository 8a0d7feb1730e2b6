"""The JAX backend compiled as in training: with all of XLA's optimizations.

The rest of the suite turns them off, to compile quickly (see conftest.py). Here a separate process
compiles without those options. Guest backends may use XLA, too, and are treated in the same way.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance import cases
from conformance.cases import Case, find_case, random_batch, random_weights, rounded
from conformance.judge import Judge
from conformance.subject import Backends, Models
from conformance.training.test_optimizers import SGD
from shared.protocol import Backend, load_backend
from shared.sources import ROOT


def answers(backend: Backend, case: Case, dtype: str) -> dict[str, np.ndarray]:
    """Logits, and the weights after two steps of SGD, which contain the gradients of both."""
    model = backend.build(case.config, rounded(random_weights(case)), dtype=dtype)
    tokens, targets = random_batch(case.config)
    logits, trainer = model.logits(tokens), model.trainer(SGD)
    for _ in range(2):
        trainer.step(tokens, targets)
    return {"logits": logits, **trainer.state().weights}


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float32")
@pytest.mark.needs("trainer")
@pytest.mark.fills("logits", "SGD, 1 step")
def test_compiled_as_in_training(
    backends: Backends, models: Models, truthful: Models, case: Case, judge: Judge, tmp_path: Path
) -> None:
    """Compare the results of a separate process in which JAX compiles as in training."""
    found = {}
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    for name, backend in backends.items():
        if name in ("numpy", "torch"):
            found[name] = answers(backend, case, "float32")
            continue
        file = tmp_path / f"{name}.npz"
        command = [sys.executable, "-m", "conformance.model.test_compiled", name, case.name]
        command += [str(cases.base_seed), str(file)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
        with np.load(file) as arrays:
            found[name] = dict(arrays)
    truths = {name: answers(backends[name], case, "float64") for name in truthful}
    logits = {name: values.pop("logits") for name, values in found.items()}
    true_logits = {name: values.pop("logits") for name, values in truths.items()}
    judge.agree("logits", logits, "logits, compiled as in a training", true_logits)
    what = "weights after two steps, compiled as in a training"
    judge.tensors_agree("SGD, 1 step", found, models, what, truths)


def main() -> None:
    name, case, seed, file = sys.argv[1:]
    cases.base_seed = int(seed)
    np.savez(file, **answers(load_backend(name), find_case(case), "float32"))


if __name__ == "__main__":
    main()
