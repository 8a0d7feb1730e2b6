"""What holds for every model, tried on many of NumPy's that nobody chose."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn import SEEDS, WIDE, Drawn, close, drawn

# What the model computes


@WIDE
@given(drawn(), st.data())
def test_the_future_changes_nothing(it: Drawn, data: st.DataObject) -> None:
    """Other tokens from t on leave the logits before t as they were, bit for bit; and so would a
    text that ends there, but for rounding."""
    t = data.draw(st.integers(0, it.tokens.shape[1] - 1))
    other = it.tokens.copy()
    other[:, t:] = it.targets[:, t:]
    model = it.model()
    logits = model.logits(it.tokens)
    np.testing.assert_array_equal(model.logits(other)[:, :t], logits[:, :t])
    if t > 0:
        assert close(model.logits(it.tokens[:, :t]), logits[:, :t])


@WIDE
@given(drawn())
def test_attention_weights_are_distributions_over_the_past(it: Drawn) -> None:
    trace = it.model().trace(it.tokens)
    for i in range(it.config.n_layer):
        weights = trace[f"h.{i}.attn.weights"]
        assert weights.min() >= 0
        assert not np.triu(weights, k=1).any()
        assert close(weights.sum(axis=-1), np.ones(weights.shape[:-1]))


@WIDE
@given(drawn())
def test_the_loss_is_the_mean_of_minus_log_p(it: Drawn) -> None:
    model = it.model()
    probs = model.trace(it.tokens)["probs"]
    chosen = np.take_along_axis(probs, it.targets[..., None], axis=-1)
    loss = model.loss(it.tokens, it.targets)
    assert loss >= 0
    assert close(np.array([loss]), np.array([-np.log(chosen).mean()]))
    assert loss == model.loss_and_grads(it.tokens, it.targets)[0]


@WIDE
@given(drawn(), SEEDS)
def test_the_gradient_is_the_slope(it: Drawn, seed: int) -> None:
    """Along a random direction in all weights at once. Where a ReLU bends between the two losses
    the slope is of neither side, so the better of two steps counts."""
    rng = np.random.default_rng(seed)
    direction = {key: rng.standard_normal(w.shape) for key, w in it.weights.items()}
    _, grads = it.model().loss_and_grads(it.tokens, it.targets)
    expected = sum(float((grads[key] * d).sum()) for key, d in direction.items())
    norm = np.sqrt(sum(float((grad * grad).sum()) for grad in grads.values()))
    errors = []
    for h in (1e-5, 1e-7):
        up, down = (
            it.model({key: w + sign * h * direction[key] for key, w in it.weights.items()})
            for sign in (1, -1)
        )
        slope = (up.loss(it.tokens, it.targets) - down.loss(it.tokens, it.targets)) / (2 * h)
        errors.append(abs(slope - expected))
    assert min(errors) <= 1e-6 * max(norm, 1)


@WIDE
@given(drawn(), SEEDS)
def test_rows_of_a_batch_do_not_know_each_other(it: Drawn, seed: int) -> None:
    """In another order they give the same, and so does each alone. Loss and gradients of the batch
    are the means of its rows'."""
    model = it.model()
    logits = model.logits(it.tokens)
    order = np.random.default_rng(seed).permutation(len(it.tokens))
    assert close(model.logits(it.tokens[order]), logits[order])
    loss, grads = model.loss_and_grads(it.tokens, it.targets)
    rows = range(len(it.tokens))
    alone = [model.loss_and_grads(it.tokens[[b]], it.targets[[b]]) for b in rows]
    assert close(np.concatenate([model.logits(it.tokens[[b]]) for b in rows]), logits)
    assert close(np.array([loss]), np.array([np.mean([row for row, _ in alone])]))
    flat = np.concatenate([grad.ravel() for grad in grads.values()])
    mean = [sum(row[key] for _, row in alone) / len(alone) for key in grads]
    assert close(flat, np.concatenate([grad.ravel() for grad in mean]))


# What may be changed in the weights without changing the function


@WIDE
@given(drawn(bias=True), SEEDS)
def test_the_key_bias_changes_nothing(it: Drawn, seed: int) -> None:
    """It moves all scores of a row alike, and softmax does not notice."""
    C = it.config.n_embd
    key = f"transformer.h.{it.config.n_layer - 1}.attn.c_attn.bias"
    bias = it.weights[key].copy()
    bias[C : 2 * C] += np.random.default_rng(seed).standard_normal(C)
    changed = it.model({key: bias})
    assert close(changed.logits(it.tokens), it.model().logits(it.tokens))


@WIDE
@given(drawn(), SEEDS)
def test_heads_and_hidden_units_have_no_order(it: Drawn, seed: int) -> None:
    """Permute the heads, in c_attn's columns and c_proj's rows, and the units of the MLP."""
    rng, H, D = np.random.default_rng(seed), it.config.n_head, it.config.head_size
    heads = np.arange(H * D).reshape(H, D)[rng.permutation(H)].ravel()
    columns = np.concatenate([heads + part * H * D for part in range(3)])
    units = rng.permutation(it.config.inner_size)
    weights = dict(it.weights)
    for i in range(it.config.n_layer):
        block = f"transformer.h.{i}"
        for layer, order in (("attn.c_attn", columns), ("mlp.c_fc", units)):
            for key in (f"{block}.{layer}.weight", f"{block}.{layer}.bias"):
                if key in weights:
                    weights[key] = weights[key][..., order]
        for layer, order in (("attn.c_proj", heads), ("mlp.c_proj", units)):
            weights[f"{block}.{layer}.weight"] = weights[f"{block}.{layer}.weight"][order]
    assert close(it.model(weights).logits(it.tokens), it.model().logits(it.tokens))


@WIDE
@given(drawn(), SEEDS)
def test_tokens_are_only_names(it: Drawn, seed: int) -> None:
    """Rename the tokens everywhere: the logits are renamed with them."""
    new = np.random.default_rng(seed).permutation(it.config.vocab_size)
    weights = dict(it.weights)
    for key in {"transformer.wte.weight", "lm_head.weight"} & set(weights):
        weights[key] = np.empty_like(weights[key])
        weights[key][new] = it.weights[key]
    renamed = it.model(weights).logits(new[it.tokens])
    assert close(renamed[..., new], it.model().logits(it.tokens))


@WIDE
@given(drawn(norm="pre"), st.floats(-3, 3))
def test_the_mean_of_the_stream_changes_nothing(it: Drawn, shift: float) -> None:
    """Before the block is a LayerNorm, which takes the mean away."""
    key = "transformer.wte.weight"
    if it.config.tie_weights:  # the head would be shifted with it
        it = untied(it)
    shifted = it.model({key: it.weights[key] + shift})
    assert close(shifted.logits(it.tokens), it.model().logits(it.tokens))


def untied(it: Drawn) -> Drawn:
    """The same function with lm_head as a matrix of its own."""
    head = {"lm_head.weight": it.weights["transformer.wte.weight"]}
    return replace(it, config=replace(it.config, tie_weights=False), weights=it.weights | head)


@WIDE
@given(drawn(tie_weights=True))
def test_tied_is_untied_with_equal_matrices(it: Drawn) -> None:
    """The logits are the same; the gradient of the one matrix is the sum of the two."""
    tied, two = it.model(), untied(it).model()
    assert close(tied.logits(it.tokens), two.logits(it.tokens))
    _, one = tied.loss_and_grads(it.tokens, it.targets)
    _, both = two.loss_and_grads(it.tokens, it.targets)
    wte = "transformer.wte.weight"
    assert close(one[wte], both[wte] + both["lm_head.weight"])


@WIDE
@given(drawn(tie_weights=False), SEEDS)
def test_probabilities_see_only_differences_of_logits(it: Drawn, seed: int) -> None:
    """Add one vector to every row of lm_head."""
    key = "lm_head.weight"
    vector = np.random.default_rng(seed).standard_normal(it.config.n_embd)
    changed = it.model({key: it.weights[key] + vector})
    assert close(changed.trace(it.tokens)["probs"], it.model().trace(it.tokens)["probs"])
