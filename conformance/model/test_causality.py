"""The future has no influence at all on the past."""

import numpy as np
import pytest

from conformance.cases import Case
from conformance.judge import Judge
from shared.protocol import Model


@pytest.mark.fills("future has no influence")
def test_future_tokens_change_nothing(
    model: Model, backend_name: str, case: Case, batch: tuple, judge: Judge
) -> None:
    """Replace all tokens after position t, for every t: the logits up to t do not change."""
    tokens = batch[0]
    logits = model.logits(tokens)
    for t in range(tokens.shape[1] - 1):
        changed = tokens.copy()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + 1 + t) % case.config.vocab_size
        after = model.logits(changed)
        difference = np.abs(after - logits)
        message = f"tokens after position {t} change the logits up to it"
        judge.holds("future has no influence", backend_name, difference[:, : t + 1].max(), message)
        assert difference[:, t + 1 :].max() > 0, "the changed tokens themselves must matter"


@pytest.mark.fills("future has no influence")
def test_past_tokens_are_seen(model: Model, case: Case, batch: tuple) -> None:
    """The opposite mistake, a mask that hides too much: the last position sees every token, and
    each position sees itself."""
    tokens = batch[0]
    logits = model.logits(tokens)
    for t in range(tokens.shape[1]):
        changed = tokens.copy()
        changed[:, t] = (changed[:, t] + 1) % case.config.vocab_size
        after = model.logits(changed)
        assert np.abs(after - logits)[:, t].min(axis=-1).max() > 0, f"position {t} ignores itself"
        assert np.abs(after - logits)[:, -1].max() > 0, f"the last position ignores {t}"


# "post-erf" has no row of a table that only one position touches.
@pytest.mark.cases("gpt2", "nanogpt", "original", "erf", "large")
@pytest.mark.needs("grads")
@pytest.mark.fills("no gradient from the past")
def test_no_gradient_flows_back_from_the_past(
    model: Model, backend_name: str, case: Case, batch: tuple, judge: Judge
) -> None:
    """Position j only affects losses at j and later. So the targets before j do not change one bit
    of the gradient of position j's embedding."""
    tokens, targets = batch[0].copy(), batch[1]
    j = tokens.shape[1] // 2
    table, row = "transformer.wpe.weight", j
    if case.config.position == "sinusoidal":  # then by an id that stands at j and nowhere else
        table, row = "transformer.wte.weight", case.config.vocab_size - 1
        tokens %= row
        tokens[:, j] = row
    _, grads = model.loss_and_grads(tokens, targets)
    earlier = targets.copy()
    earlier[:, :j] = (earlier[:, :j] + 1) % case.config.vocab_size
    _, after = model.loss_and_grads(tokens, earlier)
    difference = np.abs(after[table][row] - grads[table][row]).max()
    judge.holds("no gradient from the past", backend_name, difference, f"{table}[{row}] changed")
    _, after = model.loss_and_grads(tokens, (targets + 1) % case.config.vocab_size)
    assert np.abs(after[table][row] - grads[table][row]).max() > 0, "later targets must matter"
