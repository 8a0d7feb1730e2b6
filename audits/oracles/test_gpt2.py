"""Pre-norm with learned positions: Hugging Face's GPT-2, with a checkpoint written here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import GPT2LMHeadModel

from audits.oracles import hugging_face
from audits.oracles.hugging_face import SOURCE
from audits.oracles.verdict import Verdict
from conformance.cases import BASE, Case, random_batch, random_weights
from conformance.limits import limit_of
from shared.checkpoints.checkpoint import save_checkpoint
from shared.config import SampleConfig
from shared.protocol import Backend, Model
from shared.taps import tap_names

CASES = [
    Case("gpt2", replace(BASE, tie_weights=True)),
    Case("untied", BASE),
    Case("erf", replace(BASE, activation="gelu_erf", layer_norm_epsilon=0.1, n_head=1, n_layer=3)),
    Case("relu", replace(BASE, activation="relu", n_inner=None)),
    Case("large", replace(BASE, activation="relu"), large=1.0),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def theirs(case: Case, tmp_path_factory: pytest.TempPathFactory) -> GPT2LMHeadModel:
    """The weights of `case`, saved by us and loaded by them."""
    directory: Path = tmp_path_factory.mktemp(case.name) / "checkpoint"
    save_checkpoint(directory, case.config, random_weights(case))
    return hugging_face.load(directory)


@pytest.fixture(scope="module")
def ours(case: Case, backend: Backend) -> Model:
    return backend.build(case.config, random_weights(case), dtype="float64")


def test_weights(ours: Model, theirs: GPT2LMHeadModel, backend_name: str) -> None:
    """They read our weights bit for bit, and no tensor is on one side only."""
    found, parameters = ours.weights(), hugging_face.canonical_parameters(theirs)
    assert set(found) == set(parameters)
    for key, parameter in parameters.items():
        np.testing.assert_array_equal(found[key], parameter.detach().numpy(), err_msg=key)


def test_taps(ours: Model, theirs: GPT2LMHeadModel, case: Case, verdict: Verdict) -> None:
    """All intermediate values, in the order of the data flow, except scores, which they never
    materialize; the weights, their softmax, are compared."""
    tokens = random_batch(case.config)[0]
    found, truth = ours.trace(tokens), hugging_face.trace(theirs, tokens)
    names = [name for name in tap_names(case.config) if not name.endswith("scores")]
    assert set(truth) == set(names)
    for name in names:
        verdict.agrees("taps", found[name], truth[name], SOURCE, f"tap {name}")


def test_logits(ours: Model, theirs: GPT2LMHeadModel, case: Case, verdict: Verdict) -> None:
    """The fast path, for a full window and for a short one."""
    tokens = random_batch(case.config)[0]
    for T in (1, 4, tokens.shape[1]):
        truth = hugging_face.logits(theirs, tokens[:, :T])
        verdict.agrees("logits", ours.logits(tokens[:, :T]), truth, SOURCE)


def test_loss_and_gradients(
    ours: Model, theirs: GPT2LMHeadModel, case: Case, verdict: Verdict
) -> None:
    """The loss, and the gradient of every parameter under its canonical name."""
    batch = random_batch(case.config)
    loss, grads = ours.loss_and_grads(*batch)
    true_loss, true_grads = hugging_face.loss_and_grads(theirs, *batch)
    verdict.agrees("loss", loss, true_loss, SOURCE)
    verdict.agrees("loss", ours.loss(*batch), true_loss, SOURCE)
    verdict.all_agree("gradients", grads, true_grads, SOURCE)


def test_loss_of_a_text(ours: Model, theirs: GPT2LMHeadModel, case: Case, verdict: Verdict) -> None:
    """Our targets are the tokens shifted by one; they shift their `labels` themselves. Their loss
    is in float32, and so is the limit."""
    text = random_batch(case.config)[0]
    loss, truth = ours.loss(text[:, :-1], text[:, 1:]), hugging_face.own_loss(theirs, text)
    limit = limit_of("loss", "float32")
    verdict.agrees("loss by labels=, float32", loss, truth, SOURCE, limit=limit)


def test_greedy_text(ours: Model, theirs: GPT2LMHeadModel, case: Case) -> None:
    """Decoded with a cache on both sides, up to the edge of the window; theirs cannot slide."""
    tokens = random_batch(case.config, batch_size=6)[0]
    texts = []
    for length, row in enumerate(tokens, start=1):
        prompt, count = row[:length], case.config.block_size - length
        config = SampleConfig(max_new_tokens=count, temperature=0.0)
        texts.append(list(ours.generate(prompt, config)))
        assert texts[-1] == hugging_face.greedy_text(theirs, prompt, count), f"after {prompt}"
    assert len({token for text in texts for token in text}) > 3, "a text that says something"
