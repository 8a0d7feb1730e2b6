"""Clipping, AdamW, SGD, the schedule, and the state that a training continues from."""

from functools import partial

from audits.mutants.mutant import BACKEND, OPTIM, OPTIMIZER, STEP, Mutant

bug = partial(Mutant, chapters=OPTIMIZER)
CLIP_NUMPY = "norm = clip_by_global_norm(optimizer.parameters, grad_clip)\n"
CLIP_TORCH = "norm = clip_by_global_norm(list(gpt.parameters()), grad_clip)\n"
STEP_TORCH = "    set_learning_rate(optimizer, learning_rate)\n    optimizer.step()"
ADAM_JAX = (
    "        optax.scale_by_adam("
    "b1=config.beta1, b2=config.beta2, eps=config.epsilon, eps_root=0.0),\n"
)
DECAY_JAX = "        optax.add_decayed_weights(config.weight_decay, mask=decays),\n"
RATE_JAX = "        optax.scale_by_learning_rate(learning_rate),\n"

MUTANTS = [
    bug("eps_inside_root", "√(v + ε) for √v + ε")
    + OPTIM.numpy("np.sqrt(v / correction_2)", "np.sqrt(v / correction_2 + config.epsilon)")
    + OPTIM.numpy("update += config.epsilon", "update += 0.0")
    + OPTIM.jax("eps=config.epsilon, eps_root=0.0", "eps=0.0, eps_root=config.epsilon"),
    bug("epsilon_left_at_default", "the configured ε never handed on: the library's 1e-8")
    + OPTIM.numpy("update += config.epsilon", "update += 1e-8")
    + OPTIM.torch("        eps=config.epsilon,\n", "")
    + OPTIM.jax("eps=config.epsilon, ", ""),
    bug("betas_swapped", "β₁ and β₂ exchanged")
    + OPTIM.numpy("config.beta1", "config.beta9", times=2)
    + OPTIM.numpy("config.beta2", "config.beta1", times=2)
    + OPTIM.numpy("config.beta9", "config.beta2", times=2)
    + OPTIM.torch("(config.beta1, config.beta2)", "(config.beta2, config.beta1)")
    + OPTIM.jax("b1=config.beta1, b2=config.beta2", "b1=config.beta2, b2=config.beta1"),
    bug("no_bias_correction", "moments used as they are though they start at zero")
    + OPTIM.numpy("correction_1 = 1 - config.beta1**self.count", "correction_1 = 1.0")
    + OPTIM.numpy("correction_2 = 1 - config.beta2**self.count", "correction_2 = 1.0"),
    bug("bias_correction_a_step_late", "t counted from 2 in the bias correction")
    + OPTIM.numpy("self.count = 0", "self.count = 1"),
    bug(
        "coupled_decay",
        "decay added to the gradient, as in Adam with L2: torch.optim.Adam for AdamW",
    )
    + OPTIM.numpy(
        "g, m, v = parameter.grad, self.m[name], self.v[name]\n",
        "…            g = g + config.weight_decay * parameter.value * (g.ndim >= 2)\n",
    )
    + OPTIM.torch("torch.optim.AdamW(", "torch.optim.Adam(")
    + OPTIM.jax(ADAM_JAX + DECAY_JAX, DECAY_JAX + ADAM_JAX),
    bug(
        "decay_without_lr",
        "decay not multiplied by the learning rate (torch: undone for the first rate only)",
    )
    + OPTIM.numpy(
        "config.weight_decay * parameter", "config.weight_decay / learning_rate * parameter"
    )
    + OPTIM.torch('"weight_decay": config.weight_decay', "… / config.learning_rate")
    + OPTIM.jax(
        DECAY_JAX + RATE_JAX,
        RATE_JAX + DECAY_JAX.replace("config.weight_decay", "-config.weight_decay"),
    ),
    bug("decay_on_biases", "biases and gains decay too")
    + OPTIM.numpy("parameter.value.ndim >= 2", "parameter.value.ndim >= 1")
    + OPTIM.torch('"weight_decay": 0.0', '"weight_decay": config.weight_decay')
    + OPTIM.jax(", mask=decays", ""),
    bug("decay_left_at_default", "the configured decay never handed on: torch's 1e-2, optax's 1e-4")
    + OPTIM.eager("config.weight_decay", "0.01")
    + OPTIM.jax("add_decayed_weights(config.weight_decay,", "add_decayed_weights(1e-4,"),
    bug("sgd_with_momentum", "momentum where plain SGD is meant")
    + OPTIM.torch("lr=config.learning_rate)", "lr=config.learning_rate, momentum=0.9)")
    + OPTIM.jax("optax.sgd(learning_rate", "…, momentum=0.9"),
    bug("sgd_decays", "AdamW's decay handed to SGD as well")
    + OPTIM.numpy(".parameters = parameters\n", ".parameters, self.config = parameters, config\n")
    + OPTIM.numpy(
        "learning_rate * parameter.grad",
        "learning_rate * (parameter.grad + self.config.weight_decay * parameter.value)",
    )
    + OPTIM.torch(
        "config.learning_rate)", "config.learning_rate, weight_decay=config.weight_decay)"
    )
    + OPTIM.jax("clip, ", "…optax.add_decayed_weights(config.weight_decay), "),
    bug("clip_after", "clipping after the update instead of before it")
    + STEP.numpy(
        f"{CLIP_NUMPY}    optimizer.step(learning_rate)\n",
        f"optimizer.step(learning_rate)\n    {CLIP_NUMPY}",
    )
    + STEP.torch(f"    {CLIP_TORCH}{STEP_TORCH}\n", f"{STEP_TORCH}\n    {CLIP_TORCH}")
    + OPTIM.jax("(clip, optax.sgd(learning_rate))", "(optax.sgd(learning_rate), clip)")
    + OPTIM.jax(f"        clip,\n{ADAM_JAX}", f"{ADAM_JAX}        clip,\n"),
    bug("clip_per_tensor", "every tensor clipped by its own norm: the direction changes")
    + OPTIM.numpy("grad *= max_norm / norm", "grad *= min(1.0, max_norm / np.linalg.norm(grad))")
    + OPTIM.torch(
        "torch._foreach_mul_(grads, max_norm / norm)",
        "for g in grads:\n            g.mul_((max_norm / g.norm()).clamp(max=1))",
    )
    + OPTIM.jax("optax.clip_by_global_norm(", "optax.clip_by_block_rms("),
    bug("clip_by_value", "every entry cut at the bound instead of the whole scaled")
    + OPTIM.numpy("grad *= max_norm / norm", "np.clip(grad, -max_norm, max_norm, out=grad)")
    + OPTIM.torch(
        "torch._foreach_mul_(grads, max_norm / norm)",
        "torch.nn.utils.clip_grad_value_(parameters, max_norm)",
    )
    + OPTIM.jax("optax.clip_by_global_norm(", "optax.clip("),
    bug("clip_always", "gradients smaller than the bound are scaled up to it")
    + OPTIM.eager("if 0 < max_norm < norm:", "if 0 < max_norm:")
    + OPTIM.jax(
        "optax.clip_by_global_norm(config.grad_clip)",
        "optax.stateless(lambda g, _: jax.tree.map(\n"
        "        lambda x: x * config.grad_clip / optax.tree.norm(g), g))",
    ),
    bug("clip_with_epsilon", "norm + 1e-6 in the divisor, as clip_grad_norm_ has it")
    + OPTIM.numpy("grad *= max_norm / norm", "grad *= max_norm / (norm + 1e-6)")
    + OPTIM.torch("(grads, max_norm / norm)", "(grads, max_norm / (norm + 1e-6))"),
    bug("norm_after_clipping", "the norm reported is that of the clipped gradient")
    + OPTIM.numpy("return norm", "return min(norm, max_norm or norm)")
    + OPTIM.torch("return norm", "return norm.clamp(max=max_norm or None)")
    + STEP.jax("optax.tree.norm(grads)", "optax.tree.norm(updates)"),
    bug("accumulated_mean_of_means", "parts of different sizes count alike")
    + STEP.eager("share = len(x) / len(tokens)", "share = 1 / accumulate")
    + STEP.jax("share = len(part[0]) / len(tokens)", "share = 1 / accumulate"),
    bug("accumulated_not_divided", "the gradients of the parts are added, not averaged")
    + STEP.eager("share = len(x) / len(tokens)", "share = 1.0")
    + STEP.jax("share = len(part[0]) / len(tokens)", "share = 1.0"),
    bug("accumulated_without_the_rest", "rows that do not fill a part are left out")
    + STEP.numpy("split(array,", "split(array[: len(tokens) // accumulate * accumulate],")
    + STEP.torch("tensor.tensor", "tensor[: len(tokens) // accumulate * accumulate].tensor")
    + STEP.jax("if len(tokens[rows]):", "if len(tokens[rows]) and B == size:"),
    bug("accumulated_clip_per_part", "every part clipped, not their sum")
    + STEP.numpy(
        "        loss += share * float(cross_entropy(logits, y))\n",
        "…        if accumulate > 1:\n"
        "            clip_by_global_norm([p for _, p in gpt.named_parameters()], 0.5)\n",
    )
    + STEP.torch(
        "        losses.append(loss.detach())\n",
        "…        if accumulate > 1:\n"
        "            clip_by_global_norm(list(gpt.parameters()), 0.5)\n",
    )
    + STEP.jax(
        "        found = function(params, graphdef, *part)\n",
        "        loss, grads = function(params, graphdef, *part)\n"
        "        scale = jnp.minimum(1, 0.5 / optax.tree.norm(grads))\n"
        "        found = loss, jax.tree.map(lambda x: x * scale, grads)\n",
    ),
    bug("accumulated_step_per_part", "an update after every part")
    + STEP.numpy(
        "    loss = forward_backward(gpt, tokens, targets, accumulate, masks)\n",
        "    parts = np.array_split(tokens, accumulate), np.array_split(targets, accumulate)\n"
        "    *first, (tokens, targets) = zip(*parts)\n"
        "    for x, y in first:\n"
        "        train_step(gpt, optimizer, x, y, learning_rate, grad_clip, 1, {})\n"
        "    loss = forward_backward(gpt, tokens, targets)\n",
    )
    + STEP.torch(
        "    loss = forward_backward(gpt, tokens, targets, accumulate, masks)\n",
        "    parts = tokens.tensor_split(accumulate), targets.tensor_split(accumulate)\n"
        "    *first, (tokens, targets) = zip(*parts)\n"
        "    for x, y in first:\n"
        "        train_step(gpt, optimizer, x, y, learning_rate, grad_clip, 1, {})\n"
        "    loss = forward_backward(gpt, tokens, targets)\n",
    )
    + STEP.jax(
        "    loss, grads = loss_and_grads(params, graphdef, tokens, targets, config.accumulate, "
        "masks)\n",
        "    parts = [jnp.array_split(ids, config.accumulate) for ids in (tokens, targets)]\n"
        "    *first, (tokens, targets) = zip(*parts)\n"
        "    for x, y in first:\n"
        "        grads = loss_and_grads(params, graphdef, x, y)[1]\n"
        "        updates, optimizer_state = build_optimizer(config, learning_rate).update(\n"
        "            grads, optimizer_state, params)\n"
        "        params = optax.apply_updates(params, updates)\n"
        "    loss, grads = loss_and_grads(params, graphdef, tokens, targets)\n",
    ),
    bug("schedule_off_by_one", "the schedule asked for the next step's learning rate")
    + BACKEND.everywhere("(self.config, self.count)", "(self.config, self.count + 1)"),
    bug(
        "schedule_not_applied",
        "the learning rate reported follows the schedule, the one used is the peak",
    )
    + BACKEND.numpy("targets, lr, clip", "targets, self.config.learning_rate, clip")
    + STEP.torch("    set_learning_rate(optimizer, learning_rate)\n", "")
    + OPTIM.jax("learning_rate(learning_rate)", "learning_rate(config.learning_rate)"),
    bug("gradients_pile_up", "gradients of the last call not cleared")
    + STEP.numpy("parameter.grad = None", "pass")
    + STEP.torch("    gpt.zero_grad(set_to_none=True)\n", ""),
    bug("step_not_restored", "a resumed run starts its schedule again")
    + BACKEND.everywhere("self.count = state.step", "self.count = 0"),
    bug("moments_not_restored", "a resumed run starts with moments of zero")
    + BACKEND.numpy("        self.optimizer.load(moments, state.step)\n", "")
    + BACKEND.torch("self.optimizer.state[p] = slots", "pass")
    + BACKEND.jax("if isinstance(part, optax.ScaleByAdamState)\n", "if False\n"),
    bug("moments_swapped", "m and v exchanged in the state")
    + OPTIM.numpy('{"m": self.m, "v": self.v}', '{"m": self.v, "v": self.m}')
    + BACKEND.torch('{"m": "exp_avg", "v": "exp_avg_sq"}', '{"m": "exp_avg_sq", "v": "exp_avg"}')
    + BACKEND.jax('(adam.mu), "v": to_numpy(adam.nu)', '(adam.nu), "v": to_numpy(adam.mu)'),
    bug("state_aliased", "the state handed out is the live one and changes with the next step")
    + BACKEND.numpy("{name: value.copy() for name, value in moment.items()}", "moment"),
]
