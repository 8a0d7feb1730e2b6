"""The whole model against two others: Hugging Face's GPT-2, with a checkpoint written here; and, in
all options, torch.nn.TransformerEncoderLayer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audits.oracles.hugging_face import HuggingFace
from audits.oracles.torch_layers import Stack
from conformance.cases import BASE, CASES, Case, random_batch, random_weights
from conformance.compare import check_truth
from conformance.limits import limit_of
from shared.checkpoints.tensors import Tensors
from shared.config import GPTConfig, TrainConfig
from shared.dropout import dropout_masks, keep_share
from shared.protocol import Backend, Model
from shared.taps import tap_names

GPT2 = [
    Case("gpt2", replace(BASE, tie_weights=True)),
    Case("untied", BASE),
    Case("erf", replace(BASE, activation="gelu_erf", layer_norm_epsilon=0.1, n_head=1, n_layer=3)),
    Case("relu", replace(BASE, activation="relu", n_inner=None)),
    Case("large", replace(BASE, activation="relu"), large=1.0),
]
"""The configurations that Hugging Face's GPT-2 has: pre-norm with learned positions."""
LIMIT = limit_of("logits", "float64")
"""For everything in float64. Rounding leaves less than 1e-12; the mildest bug that was tried, erf
for tanh in GELU, 1e-4."""
PAIRS = [*((HuggingFace, case) for case in GPT2), *((Stack, case) for case in CASES)]


Models = tuple[Model, Any, GPTConfig]
"""Ours, the one to compare it with, and their configuration."""


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: f"{pair[0].source}-{pair[1].name}")
def models(request: Any, backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Models:
    kind, case = request.param
    given = case.config, random_weights(case)
    theirs = Stack(*given) if kind is Stack else kind.of(*given, tmp_path_factory.mktemp(case.name))
    return backend.build(*given, dtype="float64"), theirs, case.config


def all_agree(backend: str, found: Tensors, truth: Tensors, source: str) -> None:
    """Check that the names are equal and every gradient agrees, in the order of `truth`."""
    odd = sorted(set(found) ^ set(truth))
    assert not odd, f"{backend} lacks or invents {', '.join(odd)}"
    for name, value in truth.items():
        check_truth(backend, found[name], value, LIMIT, f"gradient of {name}", source)


def test_taps(models: Models, backend_name: str) -> None:
    """All intermediate values that can be seen, in the order of the data flow. Hugging Face's never
    materializes the scores; the weights, their softmax, are compared."""
    ours, theirs, config = models
    tokens = random_batch(config)[0]
    found, truth = ours.trace(tokens), theirs.trace(tokens)
    if isinstance(theirs, HuggingFace):
        assert set(truth) == {tap for tap in tap_names(config) if not tap.endswith("scores")}
    for name in tap_names(config):
        if name in truth:
            check_truth(backend_name, found[name], truth[name], LIMIT, name, theirs.source)


def test_logits(models: Models, backend_name: str) -> None:
    """The fast path, for a full window and for a short one."""
    ours, theirs, config = models
    tokens = random_batch(config)[0]
    for T in (1, 4, tokens.shape[1]):
        found, truth = ours.logits(tokens[:, :T]), theirs.logits(tokens[:, :T])
        check_truth(backend_name, found, truth, LIMIT, "logits", theirs.source)


def test_loss_and_gradients(models: Models, backend_name: str) -> None:
    """The loss, and the gradient of every parameter under its canonical name."""
    ours, theirs, config = models
    batch = random_batch(config)
    loss, grads = ours.loss_and_grads(*batch)
    true_loss, true_grads = theirs.loss_and_grads(*batch)
    for found in (loss, ours.loss(*batch)):
        check_truth(backend_name, found, true_loss, LIMIT, "loss", theirs.source)
    all_agree(backend_name, grads, true_grads, theirs.source)


def test_dropout(backend: Backend, tmp_path: Path, backend_name: str, monkeypatch) -> None:
    """Their GPT-2 with our masks at its four sites, against a step that subtracts the gradient."""
    case = Case("dropout", replace(BASE, tie_weights=True, dropout=0.3))
    weights, batch = random_weights(case), random_batch(case.config)
    train = TrainConfig(
        **{"optimizer": "sgd", "learning_rate": 1.0, "schedule": "constant", "warmup_steps": 0},
        **{"grad_clip": 0.0, "seed": 3},
    )
    trainer = backend.build(case.config, weights, dtype="float64").trainer(train)
    loss, after = trainer.step(*batch).loss, trainer.state().weights
    theirs = HuggingFace.of(case.config, weights, tmp_path)
    masks = dropout_masks(case.config, train.seed, 0, *batch[0].shape)
    theirs.drop(masks, keep_share(case.config.dropout), monkeypatch)
    true_loss, true_grads = theirs.loss_and_grads(*batch)
    check_truth(backend_name, loss, true_loss, LIMIT, "loss with dropout", theirs.source)
    grads = {key: weights[key] - value for key, value in after.items()}
    all_agree(backend_name, grads, true_grads, theirs.source)
