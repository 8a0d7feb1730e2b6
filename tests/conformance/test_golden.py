"""The judge of one backend alone: it needs no other framework, and it sees what is wrong."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from safetensors.numpy import load_file

from conformance import golden
from impls.numpy import backend as ours
from shared.commands.options import UsageError
from tests.command_line import ROOT, error_of

ALONE = """
import sys
import impls.numpy.train, impls.numpy.sample, impls.numpy.bigram, impls.numpy.attention_steps
from conformance.golden import main
status = main([])
print({"torch", "jax", "jaxlib", "flax", "optax", "pytest"} & {*sys.modules} or "alone")
sys.exit(status)
"""


def test_numpy_alone_has_the_stored_results() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓") == 8
    assert done.stdout.endswith("alone\n")
    assert set(load_file(golden.FILE)) == {what for _, what in golden.all_computed(ours)}


def test_what_is_wrong_is_named_and_nothing_is_stored(monkeypatch, capsys) -> None:
    stored = load_file(golden.FILE)
    for case in golden.CASES:
        stored[f"{case}: logits"] *= 1 + 1e-9
        stored[f"{case}: loss"] = stored[f"{case}: loss"][None]
    monkeypatch.setattr(golden, "load_file", lambda _: stored)
    assert golden.main([]) == 1
    said = capsys.readouterr()
    assert (said.out.count("✗"), said.out.count("✓")) == (2, 6)
    assert said.err.startswith("dropout: logits: off by 1.0e-09\ndropout: loss: shapes (1,) and")
    assert said.err.endswith("post-erf: logits: off by 1.0e-09\n… and 1 more\n")
    monkeypatch.setattr(golden, "judge", lambda *_: (None, ["all"]))
    monkeypatch.setattr(golden, "save_file", None)
    with pytest.raises(UsageError, match="numpy and numpy do not agree, and nothing was stored"):
        golden.write()


def test_a_backend_is_held_to_what_it_claims(monkeypatch, capsys) -> None:
    guest = SimpleNamespace(name="guest", build=ours.build, capabilities=())
    monkeypatch.setattr(golden, "load_backend", lambda _: guest)
    assert golden.main([]) == 0
    assert capsys.readouterr().out.count("✓") == 2
    guest.dtypes = ("float32",)
    assert "guest does not offer float64" in error_of(capsys, golden.main([]))
