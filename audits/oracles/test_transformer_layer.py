"""Post-norm, and all options that GPT-2 lacks: torch.nn.TransformerEncoderLayer."""

import numpy as np
import pytest
import torch

from audits.oracles.torch_layers import SOURCE, Stack
from audits.oracles.verdict import Verdict
from conformance.cases import CASES, Case, random_batch, random_weights
from shared.protocol import Backend, Model


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def theirs(case: Case) -> Stack:
    return Stack(case.config, random_weights(case))


@pytest.fixture(scope="module")
def ours(case: Case, backend: Backend) -> Model:
    return backend.build(case.config, random_weights(case), dtype="float64")


def test_embedding(ours: Model, theirs: Stack, case: Case, verdict: Verdict) -> None:
    """wte + position, with the sines and cosines of the paper."""
    tokens = random_batch(case.config)[0]
    with torch.no_grad():
        truth = (theirs.wte(torch.from_numpy(tokens)) + theirs.wpe).numpy()
    verdict.agrees("embed", ours.trace(tokens)["embed"], truth, SOURCE)


def test_block_by_block(ours: Model, theirs: Stack, case: Case, verdict: Verdict) -> None:
    """Every block gets the input of our block and must give its output, so that a failure names the
    wrong block."""
    trace = ours.trace(random_batch(case.config)[0])
    before = "embed"
    for i in range(case.config.n_layer):
        with torch.no_grad():
            truth = theirs.block(i, torch.from_numpy(np.array(trace[before]))).numpy()
        verdict.agrees("one block", trace[f"h.{i}"], truth, SOURCE, f"block {i} alone")
        before = f"h.{i}"


def test_logits(ours: Model, theirs: Stack, case: Case, verdict: Verdict) -> None:
    """The whole stack, by the fast path."""
    tokens = random_batch(case.config)[0]
    with torch.no_grad():
        truth = theirs(torch.from_numpy(tokens)).numpy()
    verdict.agrees("logits", ours.logits(tokens), truth, SOURCE)


def test_loss_and_gradients(ours: Model, theirs: Stack, case: Case, verdict: Verdict) -> None:
    """The gradient of every tensor, through the whole stack."""
    batch = random_batch(case.config)
    loss, grads = ours.loss_and_grads(*batch)
    true_loss, true_grads = theirs.loss_and_grads(*batch)
    verdict.agrees("loss", loss, true_loss, SOURCE)
    verdict.all_agree("gradients", grads, true_grads, SOURCE)
