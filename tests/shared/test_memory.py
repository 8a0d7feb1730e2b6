"""Too little memory is one line: said before anything is tried, or when a framework finds out."""

import importlib
import sys
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from lessons.alone import peak_memory, run_alone
from shared.checkpoints.checkpoint import save_checkpoint
from shared.checkpoints.tensors import read_header
from shared.commands.terminal import run_command
from shared.config import GPTConfig
from shared.errors import CheckpointError, UserError
from shared.layout import init_weights
from shared.text.datasets import encode_dataset, fit_tokenizer, load_dataset
from shared.text.tokenizers import TOKENIZERS
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


SIZE = 2**20
TEXTS = [
    "one, two!\r\n" * (SIZE // 11),
    "to be or not to be " * (SIZE // 19),
    "a\n\n\n\n\n\n\n\n" * (SIZE // 9),
    "".join(Random(1).choices("abcdefgh", k=SIZE)),
    ",".join(str(7919 * i % 100_003) for i in range(SIZE // 6)),
    "".join(map(chr, Random(2).choices(range(0x4E00, 0x9000), k=SIZE // 3))),
    "a" + " " * (SIZE - 2) + "b",
    "👩🏽\u200d🚀 " * (SIZE // 20),
]
"""Texts that take a careless program all memory, or time without end."""


def encode_all(kind: str) -> int:
    for text in TEXTS:
        Path("text").write_text(text, encoding="utf-8", newline="")
        with suppress(UserError):
            dataset = load_dataset("text")
            encode_dataset(dataset, fit_tokenizer(dataset, kind), 8)
    return peak_memory() or 0


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_texts_of_any_kind_are_encoded_in_little_memory(kind: str) -> None:
    """300 MB, most of them for Python and its libraries: a careless program takes 400 per text."""
    assert run_alone(encode_all, kind) < 300 * 2**20
