"""Modes and devices: which there are, and a run in bfloat16. For others see house/bad_input.toml.

What they compute is judged by the suite: `nox -s conformance -- --backend torch@compile`.
"""

import pytest
from jax.sharding import AbstractMesh
from jax.sharding import PartitionSpec as P
from torch._inductor.exc import InvalidCxxCompiler

from conformance.cases import BASE
from conformance.panel import available_modes
from impls.jax.runtime import parallel
from impls.torch import modes
from shared.checkpoints.checkpoint import load_checkpoint
from shared.commands.train import train_main
from shared.errors import BackendError
from shared.layout import init_weights
from shared.protocol import load_backend
from tests.command_line import SMALL, TEXT, error_of


def test_compiling_needs_a_compiler(monkeypatch) -> None:
    def find() -> None:
        raise InvalidCxxCompiler

    monkeypatch.setattr(modes, "get_cpp_compiler", find)
    with pytest.raises(BackendError, match=r"torch@compile is not available: No working C\+\+"):
        load_backend("torch@compile")


@pytest.mark.parametrize("name", ["torch@cpu", "jax@cpu", "torch@cpu+bf16"])
def test_a_device_is_a_mode(name: str) -> None:
    backend = load_backend(name)
    assert backend.name == name
    model = backend.build(BASE, init_weights(BASE, 0), device="toaster")  # the mode's own is taken
    assert set(model.weights()) == set(init_weights(BASE, 0))


@pytest.mark.parametrize(
    ("shape", "divided"),
    [((64,), P("data")), ((65, 64), P(None, "data")), ((3, 5), P()), ((), P())],
)
def test_arrays_are_divided_along_an_axis_that_divides_evenly(shape, divided, monkeypatch) -> None:
    monkeypatch.setattr(parallel, "mesh", AbstractMesh((2,), ("data",)))
    assert parallel.place(shape).spec == P()
    monkeypatch.setattr(parallel, "sharded", True)
    assert parallel.place(shape).spec == divided


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_run_in_bfloat16_goes_on_in_it(backend: str, tmp_path, capsys) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    options = [*SMALL, "--dataset", "text.txt", "--dtype", "bfloat16", "--out"]
    assert train_main(backend, [*options, "whole"]) == 0
    assert train_main(backend, [*options, "parts", "--max-seconds", "1e-9"]) == 0
    capsys.readouterr()
    resume = ["--out", "parts", "--resume", "--dataset", "text.txt"]
    said = error_of(capsys, train_main(backend, [*resume, "--dtype", "float32"]))
    assert "dtype is bfloat16 in the run at parts" in said
    assert train_main(backend, resume) == 0
    paths = (tmp_path / run / "checkpoints" / "000006" for run in ("whole", "parts"))
    whole, parts = map(load_checkpoint, paths)
    assert whole.dtype == parts.dtype == "float32"
    assert whole.training is not None
    assert whole.training.dtype == "bfloat16"
    assert all((whole.weights[key] == parts.weights[key]).all() for key in whole.weights)


def test_all_that_this_machine_has_are_judged_and_the_others_named(capsys) -> None:
    found = available_modes()
    assert {"torch@bf16", "jax@nojit", "jax@bf16", "jax@fsdp"} <= set(found)
    lacking = {f"torch@{mode}" for mode in modes.MODES} - set(found)
    said = capsys.readouterr().err
    assert all(f"not judged: {name} is not available" in said for name in lacking)
