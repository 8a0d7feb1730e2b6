"""The judge of one backend alone: it needs no other framework, and it sees what is wrong."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from conformance import golden
from impls.numpy import backend as ours
from shared.commands.complaints import UsageError
from tests.command_line import ROOT, error_of

ALONE = """
import sys
from conformance.golden import main
status = main([])
print({"torch", "jax", "flax", "optax", "pytest"} & {*sys.modules} or "alone")
sys.exit(status)
"""


def test_numpy_alone_has_the_stored_results() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓") == 8
    assert done.stdout.endswith("alone\n")


class Off(ours.NumpyModel):
    """Its logits are off by 1e-9, its loss has no value, and it does not claim the rest."""

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        return super().logits(tokens) * (1 + 1e-9)

    def loss(self, tokens: np.ndarray, targets: np.ndarray) -> float:
        return float("nan")


def off(config, weights, *, dtype="float32", device="cpu") -> Off:
    return Off(ours.build(config, weights, dtype=dtype, device=device).gpt)


@pytest.mark.parametrize("claims", [(), ("trace", "grads", "generate", "trainer")])
def test_what_is_wrong_is_named_and_nothing_is_stored(claims, monkeypatch, capsys) -> None:
    guest = SimpleNamespace(name="guest", build=off, capabilities=claims)
    monkeypatch.setattr(golden, "load_backend", lambda name: ours if name == "numpy" else guest)
    monkeypatch.setattr(golden, "save_file", None)
    assert golden.main(["--backend", "guest"]) == 1
    said = capsys.readouterr()
    assert said.out.count("✗") == 2
    assert said.out.count("✓") == (6 if claims else 0)
    assert "dropout: logits: off by 1.0e-09\ndropout: loss: nan at [0]\n" in said.err
    assert said.err.endswith("post-erf: logits: off by 1.0e-09\n… and 1 more\n")
    with pytest.raises(UsageError, match="torch and numpy do not agree, and nothing was stored"):
        golden.write()


def test_one_without_float64_cannot_be_judged(monkeypatch, capsys) -> None:
    guest = SimpleNamespace(name="guest", build=off, dtypes=("float32",))
    monkeypatch.setattr(golden, "load_backend", lambda name: guest)
    assert "guest does not offer float64" in error_of(capsys, golden.main([]))


def test_the_stored_results_are_those_that_are_compared() -> None:
    stored = load_file(golden.FILE)
    assert set(stored) == {what for _, what in golden.all_computed(ours)}
