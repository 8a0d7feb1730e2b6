"""Determinism: docs/determinism.md names a test for each of its claims; those without another test
are tested here.

`nox -s tests -- tests/shared/runs/test_determinism.py -rP` shows the numbers that the page gives.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import BASE, CASES, Case, batch_of, random_batch, random_weights
from conformance.limits import limit_of
from lessons.relay import apart
from shared.checkpoints.checkpoint import load_checkpoint
from shared.config import SampleConfig
from shared.protocol import BACKENDS, Model, load_backend
from tests.command_line import ROOT

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS")

OLD_PROCESSOR = {
    "OPENBLAS_CORETYPE": "Nehalem",  # NumPy
    "ATEN_CPU_CAPABILITY": "default",  # PyTorch, and the two libraries in it
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2",  # JAX
}
"""Makes all three libraries compute as on a processor of 2008, with another order of sums."""

# A model of a size at which the libraries use more than one thread.
TRAIN = """
import json, os, sys
out, cpus, *dtypes = sys.argv[1:]
if cpus == "one":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from shared.protocol import load_backend
from shared.config import GPTConfig, TrainConfig
from shared.text.datasets import batch
from shared.layout import init_weights
from shared.checkpoints.checkpoint import save_checkpoint
config = GPTConfig(65, block_size=32, n_layer=1, n_head=4, n_embd=64)
recipe = TrainConfig(steps=5, batch_size=16, warmup_steps=1)
ids = np.arange(5000) ** 2 % 65
for backend in ("numpy", "torch", "jax"):
    for dtype in dtypes:
        weights = init_weights(config, 1, dtype)
        model = load_backend(backend).build(config, weights, dtype=dtype)
        trainer = model.trainer(recipe)
        sizes = {"batch_size": 16, "block_size": 32, "seed": 1}
        results = [trainer.step(*batch(ids, step=i, **sizes)) for i in range(recipe.steps)]
        save_checkpoint(f"{out}/{backend}-{dtype}", config, trainer.state().weights)
        with open(f"{out}/{backend}-{dtype}/losses.json", "w") as file:
            json.dump([[result.loss, result.grad_norm] for result in results], file)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same trainings by all backends: twice as usual, and once on a simulated other machine,
    with a single CPU (on Linux) of an old type (on x86)."""
    out = tmp_path_factory.mktemp("determinism")
    usual = {name: value for name, value in os.environ.items() if name not in THREADS}
    usual["OMP_WAIT_POLICY"] = "PASSIVE"  # idle threads leave the CPUs to others
    cpus = "one" if hasattr(os, "sched_setaffinity") else "all"
    started = [
        start(out / "usual", usual, "all", "float32", "float64"),
        start(out / "again", usual, "all", "float32"),
        start(out / "elsewhere", usual | OLD_PROCESSOR, cpus, "float64"),
    ]
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    return out


def start(out, environment: dict[str, str], *given: str) -> subprocess.Popen[str]:
    out.mkdir()
    command = [sys.executable, "-c", TRAIN, str(out), *given]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_training_repeated_in_another_process_is_the_same_to_the_bit(runs, backend):
    first, second = (runs / name / f"{backend}-float32" for name in ("usual", "again"))
    for file in ("model.safetensors", "config.json", "losses.json"):
        assert (first / file).read_bytes() == (second / file).read_bytes(), file
    assert np.shape(json.loads((first / "losses.json").read_text())) == (5, 2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_and_processor_change_rounding_alone(runs, backend):
    paths = (runs / which / f"{backend}-float64" for which in ("usual", "elsewhere"))
    usual, other = map(load_checkpoint, paths)
    worst = apart(usual.weights, other.weights)
    print(f"{backend}: {worst.size:.1e} in {worst.where}")
    assert worst.size <= limit_of("AdamW, 20 steps", "float64")


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_key_bias_changes_nothing(norm: str) -> None:
    """It shifts all scores of a row equally, which softmax ignores. So its gradient is zero."""
    case = Case("key bias", replace(BASE, norm=norm))
    key, keys = "transformer.h.1.attn.c_attn.bias", slice(BASE.n_embd, 2 * BASE.n_embd)
    weights = random_weights(case)
    model = load_backend("numpy").build(case.config, weights, dtype="float64")
    bias = weights[key].copy()
    bias[keys] += np.random.default_rng(1).standard_normal(BASE.n_embd)
    other = load_backend("numpy").build(case.config, weights | {key: bias}, dtype="float64")
    tokens, targets = batch_of(case)
    np.testing.assert_allclose(other.logits(tokens), model.logits(tokens), rtol=0, atol=1e-12)
    assert np.abs(model.loss_and_grads(tokens, targets)[1][key][keys]).max() < 1e-15


def borders(model: Model, prompt: np.ndarray) -> np.ndarray:
    """Where one token ends and the next begins among the uniform numbers, [V]."""
    logits = model.logits(prompt[None])[0, -1].astype(np.float64)
    p = np.exp(logits - logits.max())
    return np.cumsum(p) / p.sum()


def test_texts_part_only_where_a_uniform_falls_between_two_roundings(monkeypatch):
    """Where no border is near, both backends draw the same token; between their borders, two. The
    borders of float32 are so near each other that hardly any uniform falls between them."""
    case = next(case for case in CASES if case.name == "gpt2")
    prompt = random_batch(case.config)[0][0]
    weights = random_weights(case)
    models = {name: load_backend(name).build(case.config, weights) for name in ("numpy", "torch")}
    cdf = {name: borders(model, prompt) for name, model in models.items()}

    def first_token(name: str, u: float) -> int:
        monkeypatch.setattr(f"impls.{name}.generate.uniform", lambda seed, position: u)
        return next(iter(models[name].generate(prompt, SampleConfig(1))))

    lower, upper = np.min([*cdf.values()], axis=0), np.max([*cdf.values()], axis=0)
    share = float((upper - lower).sum())
    print(f"uniforms that fall between the borders of two backends: {share:.1e}")
    assert 0 < share < 1e-5
    middles = (np.append(0, upper[:-1]) + lower) / 2
    for token, u in enumerate(middles):
        if lower[token] - u > 1e-6:
            assert {first_token(name, u) for name in models} == {token}
    parted = 0
    for token in np.flatnonzero(upper > lower):
        drawn = {first_token(name, float(lower[token] + upper[token]) / 2) for name in models}
        assert drawn <= {token, token + 1}
        parted += len(drawn) == 2
    assert parted > 0


def test_every_section_of_the_page_is_a_list_of_claims_that_name_tests():
    """Below a heading there is one introductory sentence, and a list."""
    page = (ROOT / "docs" / "determinism.md").read_text(encoding="utf-8")
    for section in page.split("\n## ")[1:]:
        _title, introduction, claims = section.strip().split("\n\n")
        assert not introduction.startswith("- ")
        assert claims.startswith("- ")
        for claim in claims.removeprefix("- ").split("\n- "):
            named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", claim)
            assert 1 <= len(named) == claim.count("::"), claim
            for file, function in named:
                assert f"\ndef {function}(" in (ROOT / file).read_text(encoding="utf-8"), claim
