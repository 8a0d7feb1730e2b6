"""Too little memory is one line: said before anything is tried, or when a framework finds out."""

import importlib
import sys

import pytest

from shared.checkpoints.checkpoint import save_checkpoint
from shared.checkpoints.tensors import read_header
from shared.commands.terminal import run_command
from shared.config import GPTConfig
from shared.errors import CheckpointError
from shared.layout import init_weights
from tests.command_line import run_python


@pytest.mark.parametrize("module", ["numpy", "torch", "jax.numpy"])
def test_what_a_framework_cannot_have_is_one_line(module, capsys) -> None:
    library = importlib.import_module(module)
    assert run_command(lambda: int(library.ones(2**45)[0])) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: not enough memory: ")


def test_other_errors_of_a_framework_are_not_hidden() -> None:
    def fail() -> int:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        run_command(fail)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_used_again() -> None:
    """By default, the second array would cause hundreds of page faults."""
    count = "resource.getrusage(resource.RUSAGE_SELF).ru_minflt"
    code = f"keep(); np.ones(2**21); before = {count}; np.ones(2**21); print({count} - before)"
    imports = "import resource, numpy as np; from shared.allocator import keep_freed_memory as keep"
    assert int(run_python("-c", f"{imports}; {code}").stdout) < 100


def test_a_sparse_file_that_claims_more_than_there_is(tmp_path, monkeypatch) -> None:
    config = GPTConfig(3, 8, 1, 1, 8)
    save_checkpoint(tmp_path / "model", config, init_weights(config, 0))
    size = (tmp_path / "model" / "model.safetensors").stat().st_size
    monkeypatch.setattr("shared.checkpoints.tensors.physical_memory", lambda: size)
    read_header(tmp_path / "model", "model.safetensors", 1)
    monkeypatch.setattr("shared.checkpoints.tensors.physical_memory", lambda: size - 1)
    with pytest.raises(CheckpointError, match="this machine has 0 GiB"):
        read_header(tmp_path / "model", "model.safetensors", 1)
