"""The whole model against two others: Hugging Face's GPT-2, with a checkpoint written here; and, in
all options, torch.nn.TransformerEncoderLayer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audits.oracles.hugging_face import HuggingFace
from audits.oracles.torch_layers import Stack
from audits.oracles.verdict import Verdict
from conformance.cases import BASE, CASES, Case, random_batch, random_weights
from shared.config import TrainConfig
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
BY_HUGGING_FACE = [
    pytest.param((HuggingFace, case), id=f"transformers-{case.name}") for case in GPT2
]
BY_TORCH = [pytest.param((Stack, case), id=f"torch-{case.name}") for case in CASES]


@pytest.fixture(scope="module", params=[*BY_HUGGING_FACE, *BY_TORCH])
def judged(request: pytest.FixtureRequest) -> tuple[Any, Case]:
    """The class of the model to compare with, and the case."""
    return request.param


@pytest.fixture(scope="module")
def case(judged: tuple[Any, Case]) -> Case:
    return judged[1]


@pytest.fixture(scope="module")
def theirs(judged: tuple[Any, Case], tmp_path_factory: pytest.TempPathFactory) -> Any:
    kind, case = judged
    if kind is Stack:
        return Stack(case.config, random_weights(case))
    return HuggingFace.of(case.config, random_weights(case), tmp_path_factory.mktemp(case.name))


@pytest.fixture(scope="module")
def ours(case: Case, backend: Backend) -> Model:
    return backend.build(case.config, random_weights(case), dtype="float64")


def test_taps(ours: Model, theirs: Any, case: Case, verdict: Verdict) -> None:
    """All intermediate values that can be seen, in the order of the data flow. Hugging Face's never
    materializes the scores; the weights, their softmax, are compared."""
    tokens = random_batch(case.config)[0]
    found, truth = ours.trace(tokens), theirs.trace(tokens)
    if isinstance(theirs, HuggingFace):
        assert set(truth) == {tap for tap in tap_names(case.config) if not tap.endswith("scores")}
    for name in tap_names(case.config):
        if name in truth:
            verdict.agrees("taps", found[name], truth[name], theirs.source, f"tap {name}")


def test_logits(ours: Model, theirs: Any, case: Case, verdict: Verdict) -> None:
    """The fast path, for a full window and for a short one."""
    tokens = random_batch(case.config)[0]
    for T in (1, 4, tokens.shape[1]):
        truth = theirs.logits(tokens[:, :T])
        verdict.agrees("logits", ours.logits(tokens[:, :T]), truth, theirs.source)


def test_loss_and_gradients(ours: Model, theirs: Any, case: Case, verdict: Verdict) -> None:
    """The loss, and the gradient of every parameter under its canonical name."""
    batch = random_batch(case.config)
    loss, grads = ours.loss_and_grads(*batch)
    true_loss, true_grads = theirs.loss_and_grads(*batch)
    verdict.agrees("loss", loss, true_loss, theirs.source)
    verdict.agrees("loss", ours.loss(*batch), true_loss, theirs.source)
    verdict.all_agree("gradients", grads, true_grads, theirs.source)


def test_dropout(
    backend: Backend, tmp_path: Path, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their GPT-2 with our masks at its four sites, against a step that moves the weights by the
    gradient."""
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
    verdict.agrees("loss", loss, true_loss, theirs.source, "loss with dropout")
    grads = {key: weights[key] - value for key, value in after.items()}
    verdict.all_agree("gradients", grads, true_grads, theirs.source)
