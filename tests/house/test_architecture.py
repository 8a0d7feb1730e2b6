"""Rules of the repository: the length of files, checked shapes, NumPy without frameworks.

The import rules are in pyproject.toml.
"""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from shared.protocol import BACKENDS
from shared.sources import ROOT

HOUSE = ("impls", "shared", "conformance", "lessons", "audits", "docs", "tests")
FRAMEWORKS = {"torch", "jax", "jaxlib", "flax", "optax"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


BLOCKED = """
import sys
sys.modules |= dict.fromkeys({frameworks!r})
import numpy as np
from shared.protocol import load_backend
from shared.config import GPTConfig, TrainConfig
from shared.layout import init_weights
config = GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=1, n_embd=4)
model = load_backend("numpy").build(config, init_weights(config, 0))
ids = np.array([[0, 1, 2, 3]])
print(model.trainer(TrainConfig()).step(ids, ids).loss)
import impls.numpy.train, impls.numpy.sample, impls.numpy.bigram, impls.numpy.attention_steps
"""


def test_numpy_trains_where_no_framework_is_installed() -> None:
    done = run_python("-c", BLOCKED.format(frameworks=FRAMEWORKS))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(np.log(5), abs=0.1)


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


def run_python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


# Code for reading


LIMITS = {"impls/numpy/model.py": 250, "impls/torch/model.py": 190, "impls/jax/model.py": 190}


def test_no_file_is_too_long_to_read() -> None:
    paths = [*sources(*HOUSE), ROOT / "noxfile.py"]
    lengths = {relative(path): path.read_text(encoding="utf-8").count("\n") for path in paths}
    assert set(LIMITS) <= set(lengths)
    assert {path: n for path, n in lengths.items() if n > LIMITS.get(path, 400)} == {}


# Shapes in annotations, checked at run time


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wrong_shape_is_caught_in_every_backend(
    backend: str, request: pytest.FixtureRequest
) -> None:
    """By the checks that `nox -s tests` switches on."""
    if not request.config.pluginmanager.hasplugin("tests.runtime_checks"):
        pytest.skip("pytest was started without -p tests.runtime_checks; nox -s tests has it")
    merge_heads = importlib.import_module(f"impls.{backend}.model").merge_heads
    zeros = importlib.import_module({"jax": "jax.numpy"}.get(backend, backend)).zeros
    assert merge_heads(zeros((2, 1, 3, 4))).shape == (2, 3, 4)
    with pytest.raises(TypeCheckError):
        merge_heads(zeros((2, 3, 4)))
