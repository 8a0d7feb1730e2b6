"""Rules of the repository: the length of files, imports by relative names, checked shapes. The
import rules are in pyproject.toml."""

import importlib
import re
from pathlib import Path

import pytest
from jaxtyping import TypeCheckError

from shared.protocol import BACKENDS
from tests.command_line import ROOT, run_python

HOUSE = ("impls", "shared", "conformance", "lessons", "audits", "docs", "tests")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_python_started_inside_impls_says_what_is_wrong(backend: str) -> None:
    done = run_python("-c", f"import {backend}", cwd=ROOT / "impls")
    assert done.returncode == 1
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("ImportError:")
    assert f"imported as '{backend}' and hides the real package of that name" in message
    assert "from the top of the repository" in message


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_reaches_its_own_files_by_relative_imports_only(backend: str) -> None:
    """`cp -r impls/torch my_raw` is a backend of its own, in which changes take effect."""
    for path in sources(f"impls/{backend}"):
        assert not re.search(r"^ *(from|import) impls", path.read_text(), re.MULTILINE), path


LIMITS = {"impls/numpy/model.py": 250, "impls/torch/model.py": 190, "impls/jax/model.py": 190}


def test_no_file_is_too_long_to_read() -> None:
    paths = [*sources(*HOUSE), ROOT / "noxfile.py"]
    lengths = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in paths
    }
    assert set(LIMITS) <= set(lengths)
    assert {path: n for path, n in lengths.items() if n > LIMITS.get(path, 400)} == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wrong_shape_is_caught_in_every_backend(backend: str, request) -> None:
    """By the checks that `nox -s tests` switches on."""
    if not request.config.pluginmanager.hasplugin("tests.runtime_checks"):
        pytest.skip("pytest was started without -p tests.runtime_checks; nox -s tests has it")
    merge_heads = importlib.import_module(f"impls.{backend}.model").merge_heads
    zeros = importlib.import_module({"jax": "jax.numpy"}.get(backend, backend)).zeros
    assert merge_heads(zeros((2, 1, 3, 4))).shape == (2, 3, 4)
    with pytest.raises(TypeCheckError):
        merge_heads(zeros((2, 3, 4)))
