"""The loss and its gradient."""

from audits.mutants.mutant import BACKEND, MODEL, STEP, TRACE, Mutant

bug = Mutant
TORCH = "functional.cross_entropy(logits.flatten(0, 1), targets.flatten()"
JAX = "optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()"
ROLLED = "np.roll(targets, -1, axis=1)"

MUTANTS = [
    bug(
        "loss_summed",
        "summed over the tokens instead of averaged: the gradient grows with the batch",
    )
    + MODEL.numpy("(log_sum - chosen).mean()", "(log_sum - chosen).sum()")
    + MODEL.numpy("return dlogits / targets.size", "return dlogits")
    + MODEL.torch(TORCH, '…, reduction="sum"')
    + MODEL.jax("(logits, targets).mean()", "(logits, targets).sum()"),
    bug("loss_in_bits", "a logarithm to base 2")
    + MODEL.numpy("(log_sum - chosen).mean()", "… / math.log(2)")
    + MODEL.numpy("return dlogits / targets.size", "… / math.log(2)")
    + MODEL.torch(f"{TORCH})", "… / math.log(2)")
    + MODEL.jax(JAX, "… / math.log(2)"),
    bug(
        "targets_shifted",
        "targets shifted once more inside the loss, though the batch has shifted them already",
    )
    + MODEL.numpy("(logits, targets[..., None]", f"(logits, {ROLLED}[..., None]")
    + MODEL.numpy("(targets.size), targets.ravel()", f"(targets.size), {ROLLED}.ravel()")
    + MODEL.torch("targets.flatten()", "targets.roll(-1, 1).flatten()")
    + MODEL.jax("(logits, targets).mean()", "(logits, jnp.roll(targets, -1, 1)).mean()"),
    bug(
        "log_of_softmax",
        "log(softmax(x)) instead of log-softmax: −ln 0 where a probability vanishes",
    )
    + MODEL.numpy("(log_sum - chosen).mean()", "-np.log(np.exp(chosen - log_sum)).mean()")
    + MODEL.torch(
        f"return {TORCH})",
        "p = functional.softmax(logits, dim=-1).gather(-1, targets[..., None])\n"
        "    return -p.log().mean()",
    )
    + MODEL.jax(
        f"return {JAX}",
        "p = jax.nn.softmax(logits)\n"
        "    return -jnp.log(jnp.take_along_axis(p, targets[..., None], axis=-1)).mean()",
    ),
    bug(
        "probabilities_over_positions",
        "probabilities that sum to 1 over the positions instead of the vocabulary",
    )
    + TRACE.numpy("softmax(gpt(tokens))", "softmax(gpt(tokens).swapaxes(1, 2)).swapaxes(1, 2)")
    + TRACE.torch("softmax(gpt(tokens), dim=-1)", "softmax(gpt(tokens), dim=1)")
    + TRACE.jax("softmax(logits, axis=-1)", "softmax(logits, axis=1)"),
    bug(
        "reported_loss_not_averaged",
        "the loss reported with the gradients is the sum that was accumulated",
    )
    + STEP.numpy("return loss\n", "return loss * targets.size\n")
    + STEP.torch("return torch.stack(losses).sum()", "… * targets.numel()")
    + BACKEND.jax("return float(loss)", "… * targets.size"),
    bug("label_smoothing", "label smoothing left on")
    + MODEL.torch(TORCH, "…, label_smoothing=0.1"),
    bug("loss_ignores_id_0", "targets of id 0 taken for padding and left out of the mean")
    + MODEL.torch(TORCH, "…, ignore_index=0")
    + MODEL.jax("(logits, targets).mean()", "(logits, targets).mean(where=targets != 0)"),
    bug("loss_grad_not_averaged", "the loss is a mean, its gradient a sum")
    + MODEL.numpy("return dlogits / targets.size", "return dlogits"),
    bug("loss_grad_forgets_target", "softmax(logits) without the −1 at the target")
    + MODEL.numpy("targets.ravel()] -= 1", "targets.ravel()] -= 0"),
]
