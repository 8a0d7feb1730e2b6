"""A small part of oracles/: independent programs find mistakes that all backends share.

`nox -s oracles` has more of them and takes longer. Here PyTorch, JAX or optax is the reference for
every backend; if it is not installed, the test is skipped and names it.
"""

import importlib
from typing import Any

import numpy as np
import pytest

from conformance.cases import Case, random_batch, random_weights
from conformance.limits import limit_of
from conformance.training.test_optimizers import ADAMW
from conformance.truths.truth import check_truth
from shared.protocol import Backend, Model
from shared.schedule import learning_rate

pytestmark = [
    pytest.mark.cases("gpt2", "original", "erf"),
    pytest.mark.dtypes("float64"),
]

PACKAGES = ("torch", "jax", "optax")
STEPS = 3
REPLAYS = {"torch.optim": "replay_torch", "optax": "replay_optax"}
OWN = {"torch": "torch.optim", "jax": "optax"}
"""The libraries of a backend's own optimizer, which are not independent of it."""


def outside(module: str) -> Any:
    """A module that needs PACKAGES; without one of them the test is skipped."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        pytest.skip(f"{error.name} is not installed, which is the judge here")


@pytest.fixture
def stack(case: Case) -> Any:
    """The case, built from torch.nn.TransformerEncoderLayer and LayerNorm."""
    return outside("audits.oracles.torch_layers").Stack(case.config, random_weights(case))


def test_logits_of_torch_layers(model: Model, backend_name: str, batch: tuple, stack: Any) -> None:
    """Pre-norm and post-norm, both tables of positions, all three activations."""
    truth = stack(outside("torch").from_numpy(batch[0])).detach().numpy()
    limit = limit_of("logits", "float64")
    found = model.logits(batch[0])
    check_truth(backend_name, found, truth, limit, "logits", "TransformerEncoderLayer")


@pytest.mark.needs("grads")
def test_gradients_of_torch_layers(
    model: Model, backend_name: str, batch: tuple, stack: Any
) -> None:
    """The loss, and the gradient of every tensor."""
    loss, grads = model.loss_and_grads(*batch)
    true_loss, true_grads = stack.loss_and_grads(*batch)
    limit, source = limit_of("loss", "float64"), "TransformerEncoderLayer"
    check_truth(backend_name, np.array([loss]), np.array([true_loss]), limit, "loss", source)
    assert set(grads) == set(true_grads)
    limit = limit_of("gradients", "float64")
    for name, truth in true_grads.items():
        check_truth(backend_name, grads[name], truth, limit, f"gradient of {name}", source)


@pytest.mark.needs("trace")
def test_attention_of_torch(model: Model, backend_name: str, case: Case, batch: tuple) -> None:
    """scaled_dot_product_attention, with the queries, keys and values of the backend."""
    torch = outside("torch")
    trace, limit = model.trace(batch[0]), limit_of("taps", "float64")
    for i in range(case.config.n_layer):
        q, k, v = (torch.from_numpy(np.array(trace[f"h.{i}.attn.{name}"])) for name in "qkv")
        heads = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        truth = heads.transpose(1, 2).flatten(2).numpy()  # the heads side by side
        found = trace[f"h.{i}.attn.y"]
        check_truth(backend_name, found, truth, limit, f"h.{i}.attn.y", "torch")


@pytest.mark.cases("gpt2")
@pytest.mark.needs("grads", "trainer")
def test_adamw_of_others(backends: dict[str, Backend], backend_name: str, case: Case) -> None:
    """Three steps with the trainer's gradients, only of the tensors outside the blocks: a step
    treats each tensor separately, and optax compiles fewer."""
    oracle, build = outside("audits.oracles.optimizers"), backends[backend_name].build
    weights, gradients = random_weights(case), []
    trainer = build(case.config, weights, dtype="float64").trainer(ADAMW)
    for step in range(STEPS):
        batch = random_batch(case.config, seed=step)
        grads = build(case.config, weights, dtype="float64").loss_and_grads(*batch)[1]
        gradients.append(outer(oracle.clipped(grads, ADAMW.grad_clip)[0]))
        trainer.step(*batch)
        weights = trainer.state().weights
    rates = [learning_rate(ADAMW, step) for step in range(STEPS)]
    found = {"w": trainer.state().weights, **trainer.state().moments}
    for source, name_of_replay in REPLAYS.items():
        if source == OWN.get(backend_name):
            continue
        replay = getattr(oracle, name_of_replay)
        *_, (truth, moments) = replay(outer(random_weights(case)), gradients, rates, ADAMW)
        for letter, tensors in {"w": truth, **moments}.items():
            for name, value in tensors.items():
                what, limit = f"{letter} of {name}", limit_of("AdamW, 1 step", "float64")
                check_truth(backend_name, found[letter][name], value, limit, what, source)


def outer(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in tensors.items() if ".h." not in name}
