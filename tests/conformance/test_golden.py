"""The judge of one backend alone: it needs no other framework, and it sees what is wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from conformance import golden
from impls.numpy import backend as ours
from shared.commands.options import UsageError
from tests.command_line import ROOT, error_of, run_python

ALONE = """
import sys
import impls.numpy.train, impls.numpy.sample
import impls.numpy.road.bigram, impls.numpy.road.attention_steps
from conformance.golden import main
status = main([])
print({"torch", "jax", "jaxlib", "flax", "optax", "pytest"} & {*sys.modules} or "alone")
sys.exit(status)
"""


def test_numpy_alone_has_the_stored_results() -> None:
    done = run_python("-c", ALONE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓") == 8
    assert done.stdout.endswith("alone\n")


def test_what_is_wrong_is_named_and_nothing_is_stored(monkeypatch, capsys) -> None:
    stored = load_file(golden.FILE)
    stored["logits, dropout: logits"] *= 1 + 1e-9
    stored["loss, erf: loss"] = stored["loss, erf: loss"][None]
    del stored["taps, erf: logits"]
    stored["gradients, erf: other"] = np.ones(1)
    monkeypatch.setattr(golden, "load_file", lambda _: stored)
    assert golden.main([]) == 1
    said = capsys.readouterr()
    assert (said.out.count("✗"), said.out.count("✓")) == (4, 4)
    assert set(said.err.splitlines()) == {
        "logits, dropout: logits: off by 1.0e-09",
        "loss, erf: loss: shapes (1,) and (1, 1)",
        "taps, erf: logits: not among the stored results",
        "gradients, erf: other: missing",
    }
    monkeypatch.setattr(golden, "judge", lambda *_: (None, ["all"]))
    monkeypatch.setattr(golden, "save_file", None)
    with pytest.raises(UsageError, match="numpy and numpy do not agree, and nothing was stored"):
        golden.write()


def test_a_backend_is_held_to_what_it_claims(monkeypatch, capsys) -> None:
    guest = SimpleNamespace(name="guest", build=ours.build, capabilities=())
    monkeypatch.setattr(golden, "load_backend", lambda _: guest)
    assert golden.main([]) == 0
    assert capsys.readouterr().out.count("✓") == 2
    monkeypatch.setattr(golden, "FILE", ROOT / "README.md")
    assert "README.md cannot be read: Error while des" in error_of(capsys, golden.main([]))
    guest.dtypes = ("float32",)
    assert "guest does not offer float64" in error_of(capsys, golden.main([]))
