"""The loss and its gradient."""

from audits.mutants.mutant import Edit, Mutant

MODEL, BACKEND, TRACE = "model.py", "backend.py", "trace.py"
LOSS = {
    "numpy": "return (log_sum - chosen).mean()",
    "torch": "return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())",
    "jax": "return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()",
}
BACKWARD = "return dlogits / targets.size"
CHOSEN = "take_along_axis(logits, targets[..., None]"
AT_TARGET = "np.arange(targets.size), targets.ravel()"
ROLLED = "np.roll(targets, -1, axis=1)"

MUTANTS = [
    Mutant.of(
        "loss_summed",
        "summed over the tokens instead of averaged: the gradient grows with the batch",
        numpy=(
            Edit(MODEL, LOSS["numpy"], "return (log_sum - chosen).sum()"),
            Edit(MODEL, BACKWARD, "return dlogits"),
        ),
        torch=Edit(MODEL, LOSS["torch"], LOSS["torch"][:-1] + ', reduction="sum")'),
        jax=Edit(MODEL, LOSS["jax"], LOSS["jax"].replace("mean", "sum")),
    ),
    Mutant.of(
        "loss_in_bits",
        "a logarithm to base 2",
        numpy=(
            Edit(MODEL, LOSS["numpy"], f"{LOSS['numpy']} / math.log(2)"),
            Edit(MODEL, BACKWARD, f"{BACKWARD} / math.log(2)"),
        ),
        torch=Edit(MODEL, LOSS["torch"], f"{LOSS['torch']} / math.log(2)"),
        jax=Edit(MODEL, LOSS["jax"], f"{LOSS['jax']} / math.log(2)"),
    ),
    Mutant.of(
        "targets_shifted",
        "targets shifted once more inside the loss, though the batch has shifted them already",
        numpy=(
            Edit(MODEL, CHOSEN, CHOSEN.replace("targets", ROLLED)),
            Edit(MODEL, AT_TARGET, AT_TARGET.replace("targets.ravel", f"{ROLLED}.ravel")),
        ),
        torch=Edit(MODEL, LOSS["torch"], LOSS["torch"].replace("targets", "targets.roll(-1, 1)")),
        jax=Edit(MODEL, LOSS["jax"], LOSS["jax"].replace("targets)", "jnp.roll(targets, -1, 1))")),
    ),
    Mutant.of(
        "log_of_softmax",
        "log(softmax(x)) instead of log-softmax: −ln 0 where a probability vanishes",
        numpy=Edit(MODEL, LOSS["numpy"], "return -np.log(np.exp(chosen - log_sum)).mean()"),
        torch=Edit(
            MODEL,
            LOSS["torch"],
            "p = functional.softmax(logits, dim=-1).gather(-1, targets[..., None])\n"
            "    return -p.log().mean()",
        ),
        jax=Edit(
            MODEL,
            LOSS["jax"],
            "p = jax.nn.softmax(logits)\n"
            "    return -jnp.log(jnp.take_along_axis(p, targets[..., None], axis=-1)).mean()",
        ),
    ),
    Mutant.of(
        "probabilities_over_positions",
        "probabilities that sum to 1 over the positions instead of the vocabulary",
        numpy=Edit(
            TRACE,
            "softmax(gpt(tokens))",
            "softmax(gpt(tokens).swapaxes(1, 2)).swapaxes(1, 2)",
        ),
        torch=Edit(TRACE, "softmax(gpt(tokens), dim=-1)", "softmax(gpt(tokens), dim=1)"),
        jax=Edit(TRACE, "softmax(logits, axis=-1)", "softmax(logits, axis=1)"),
    ),
    Mutant.of(
        "reported_loss_not_averaged",
        "the loss reported with the gradients is the sum that was accumulated",
        numpy=Edit(
            "step.py",
            "return float(cross_entropy(logits, targets))",
            "return float(cross_entropy(logits, targets)) * targets.size",
        ),
        torch=Edit("step.py", "return loss.detach()", "return loss.detach() * targets.numel()"),
        jax=Edit(
            BACKEND,
            "return float(loss), to_numpy(grads)",
            "return float(loss) * targets.size, to_numpy(grads)",
        ),
    ),
    Mutant.of(
        "label_smoothing",
        "label smoothing left on",
        torch=Edit(MODEL, LOSS["torch"], LOSS["torch"][:-1] + ", label_smoothing=0.1)"),
    ),
    Mutant.of(
        "loss_ignores_id_0",
        "targets of id 0 taken for padding and left out of the mean",
        torch=Edit(MODEL, LOSS["torch"], LOSS["torch"][:-1] + ", ignore_index=0)"),
        jax=Edit(MODEL, LOSS["jax"], LOSS["jax"][:-1] + "where=targets != 0)"),
    ),
    Mutant.of(
        "loss_grad_not_averaged",
        "the loss is a mean, its gradient a sum",
        numpy=Edit(MODEL, BACKWARD, "return dlogits"),
    ),
    Mutant.of(
        "loss_grad_forgets_target",
        "softmax(logits) without the −1 at the target",
        numpy=Edit(MODEL, "targets.ravel()] -= 1", "targets.ravel()] -= 0"),
    ),
]
