"""Too little memory is one line: said before anything is tried, or when a framework finds out."""

import importlib

import pytest

from shared.checkpoints.checkpoint import save_checkpoint
from shared.checkpoints.tensors import read_header
from shared.commands.terminal import run_command
from shared.config import GPTConfig
from shared.errors import CheckpointError
from shared.layout import init_weights


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


def test_a_sparse_file_that_claims_more_than_there_is(tmp_path, monkeypatch) -> None:
    config = GPTConfig(3, 8, 1, 1, 8)
    save_checkpoint(tmp_path / "model", config, init_weights(config, 0))
    size = (tmp_path / "model" / "model.safetensors").stat().st_size
    monkeypatch.setattr("shared.checkpoints.tensors.physical_memory", lambda: size)
    read_header(tmp_path / "model", "model.safetensors", 1)
    monkeypatch.setattr("shared.checkpoints.tensors.physical_memory", lambda: size - 1)
    with pytest.raises(CheckpointError, match="this machine has 0 GiB"):
        read_header(tmp_path / "model", "model.safetensors", 1)
