"""The future has no influence at all on the past."""

import numpy as np
import pytest

from conformance.subject import Subject


@pytest.mark.fills("future has no influence")
def test_future_tokens_change_nothing(subject: Subject) -> None:
    """Replace all tokens after position t, for every t: the logits up to t do not change."""
    model, (tokens, _) = subject.model, subject.batch()
    logits = model.logits(tokens)
    for t in range(tokens.shape[1] - 1):
        changed = tokens.copy()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + 1 + t) % model.config.vocab_size
        difference = np.abs(model.logits(changed) - logits)
        message = f"tokens after position {t} change the logits up to it"
        subject.holds("future has no influence", difference[:, : t + 1].max(), message)
        assert difference[:, t + 1 :].max() > 0, "the changed tokens themselves must matter"


@pytest.mark.fills("future has no influence")
def test_past_tokens_are_seen(subject: Subject) -> None:
    """The mask hides nothing else: the last position sees every token, each position itself."""
    model, (tokens, _) = subject.model, subject.batch()
    logits = model.logits(tokens)
    for t in range(tokens.shape[1]):
        changed = tokens.copy()
        changed[:, t] = (changed[:, t] + 1) % model.config.vocab_size
        difference = np.abs(model.logits(changed) - logits)
        assert difference[:, t].min(axis=-1).max() > 0, f"position {t} ignores itself"
        assert difference[:, -1].max() > 0, f"the last position ignores {t}"


# In "post-erf", no row of an embedding table belongs to a single position.
@pytest.mark.cases("gpt2", "nanogpt", "original", "erf", "large")
@pytest.mark.needs("grads")
@pytest.mark.fills("no gradient from the past")
def test_no_gradient_flows_back_from_the_past(subject: Subject) -> None:
    """Position j only affects losses at j and later. So the targets before j do not change one bit
    of the gradient of position j's embedding."""
    model, (tokens, targets) = subject.model, subject.batch()
    V, j = model.config.vocab_size, tokens.shape[1] // 2
    table, row = "transformer.wpe.weight", j
    if model.config.position == "sinusoidal":  # then use an id that occurs only at j
        table, row = "transformer.wte.weight", V - 1
        tokens %= row
        tokens[:, j] = row

    def gradient(targets: np.ndarray) -> np.ndarray:
        return model.loss_and_grads(tokens, targets)[1][table][row]

    found = gradient(targets)
    earlier = targets.copy()
    earlier[:, :j] = (earlier[:, :j] + 1) % V
    difference = np.abs(gradient(earlier) - found).max()
    subject.holds("no gradient from the past", difference, f"{table}[{row}] changed")
    difference = np.abs(gradient((targets + 1) % V) - found).max()
    assert difference > 0, "later targets must matter"
