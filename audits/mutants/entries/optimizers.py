"""Clipping, AdamW, SGD, the schedule, and the state that a training continues from."""

from audits.mutants.mutant import OPTIMIZER, Edit, Mutant

OPTIM, STEP, BACKEND = "optim.py", "step.py", "backend.py"
CLIP_TORCH = "torch._foreach_mul_(grads, max_norm / norm)"
CLIP_NUMPY = "for grad in grads:\n            grad *= max_norm / norm"
CLIP_JAX = "optax.clip_by_global_norm(config.grad_clip)"
STEP_NUMPY = (
    "norm = clip_by_global_norm(optimizer.parameters, grad_clip)\n    optimizer.step(learning_rate)"
)
STEP_TORCH = (
    "norm = clip_by_global_norm(list(gpt.parameters()), grad_clip)\n"
    "    set_learning_rate(optimizer, learning_rate)\n"
    "    optimizer.step()"
)
ADAM_JAX = (
    "optax.scale_by_adam(b1=config.beta1, b2=config.beta2, eps=config.epsilon, eps_root=0.0),"
)
DECAY_JAX = "        optax.add_decayed_weights(config.weight_decay, mask=decays),\n"
RATE_JAX = "        optax.scale_by_learning_rate(learning_rate),\n"


def of(name: str, story: str, **edits: Edit | tuple[Edit, ...]) -> Mutant:
    return Mutant.of(name, story, OPTIMIZER, **edits)


def swapped(text: str) -> str:
    """The first line after the others."""
    first, *others = text.split("\n    ")
    return "\n    ".join([*others, first])


MUTANTS = [
    of(
        "eps_inside_root",
        "√(v + ε) for √v + ε",
        numpy=(
            Edit(OPTIM, "np.sqrt(v / correction_2)", "np.sqrt(v / correction_2 + config.epsilon)"),
            Edit(OPTIM, "update += config.epsilon", "update += 0.0"),
        ),
        jax=Edit(OPTIM, "eps=config.epsilon, eps_root=0.0", "eps=0.0, eps_root=config.epsilon"),
    ),
    of(
        "epsilon_left_at_default",
        "the configured ε never handed on: the library's 1e-8",
        numpy=Edit(OPTIM, "update += config.epsilon", "update += 1e-8"),
        torch=Edit(OPTIM, "        eps=config.epsilon,\n", ""),
        jax=Edit(OPTIM, "eps=config.epsilon, ", ""),
    ),
    of(
        "betas_swapped",
        "β₁ and β₂ exchanged",
        numpy=(
            Edit(OPTIM, "config.beta1", "config.beta9", times=2),
            Edit(OPTIM, "config.beta2", "config.beta1", times=2),
            Edit(OPTIM, "config.beta9", "config.beta2", times=2),
        ),
        torch=Edit(OPTIM, "(config.beta1, config.beta2)", "(config.beta2, config.beta1)"),
        jax=Edit(OPTIM, "b1=config.beta1, b2=config.beta2", "b1=config.beta2, b2=config.beta1"),
    ),
    of(
        "no_bias_correction",
        "moments used as they are though they start at zero",
        numpy=(
            Edit(OPTIM, "correction_1 = 1 - config.beta1**self.count", "correction_1 = 1.0"),
            Edit(OPTIM, "correction_2 = 1 - config.beta2**self.count", "correction_2 = 1.0"),
        ),
    ),
    of(
        "bias_correction_a_step_late",
        "t counted from 2 in the bias correction",
        numpy=Edit(OPTIM, "self.count = 0", "self.count = 1"),
    ),
    of(
        "coupled_decay",
        "decay added to the gradient, as in Adam with L2: torch.optim.Adam for AdamW",
        numpy=Edit(
            OPTIM,
            "g, m, v = parameter.grad, self.m[name], self.v[name]",
            "g, m, v = parameter.grad, self.m[name], self.v[name]\n"
            "            g = g + config.weight_decay * parameter.value * (g.ndim >= 2)",
        ),
        torch=Edit(OPTIM, "return torch.optim.AdamW(", "return torch.optim.Adam("),
        jax=Edit(OPTIM, f"        {ADAM_JAX}\n{DECAY_JAX}", f"{DECAY_JAX}        {ADAM_JAX}\n"),
    ),
    of(
        "decay_without_lr",
        "decay not multiplied by the learning rate (torch: undone for the first rate only)",
        numpy=Edit(
            OPTIM,
            "update += config.weight_decay * parameter.value",
            "update += config.weight_decay / learning_rate * parameter.value",
        ),
        torch=Edit(
            OPTIM,
            '"weight_decay": config.weight_decay}',
            '"weight_decay": config.weight_decay / config.learning_rate}',
        ),
        jax=Edit(
            OPTIM,
            DECAY_JAX + RATE_JAX,
            RATE_JAX + DECAY_JAX.replace("config.weight_decay", "-config.weight_decay"),
        ),
    ),
    of(
        "decay_on_biases",
        "biases and gains decay too",
        numpy=Edit(OPTIM, "parameter.value.ndim >= 2", "parameter.value.ndim >= 1"),
        torch=Edit(OPTIM, '"weight_decay": 0.0', '"weight_decay": config.weight_decay'),
        jax=Edit(OPTIM, ", mask=decays", ""),
    ),
    of(
        "decay_left_at_default",
        "the configured decay never handed on: torch's 1e-2, optax's 1e-4",
        numpy=Edit(OPTIM, "config.weight_decay * parameter.value", "0.01 * parameter.value"),
        torch=Edit(OPTIM, '"weight_decay": config.weight_decay}', '"weight_decay": 0.01}'),
        jax=Edit(OPTIM, "add_decayed_weights(config.weight_decay,", "add_decayed_weights(1e-4,"),
    ),
    of(
        "sgd_with_momentum",
        "momentum where plain SGD is meant",
        torch=Edit(OPTIM, "lr=config.learning_rate)", "lr=config.learning_rate, momentum=0.9)"),
        jax=Edit(OPTIM, "optax.sgd(learning_rate)", "optax.sgd(learning_rate, momentum=0.9)"),
    ),
    of(
        "sgd_decays",
        "AdamW's decay handed to SGD as well",
        numpy=(
            Edit(
                OPTIM,
                "        self.parameters = parameters\n\n",
                "        self.parameters, self.config = parameters, config\n\n",
            ),
            Edit(
                OPTIM,
                "learning_rate * parameter.grad",
                "learning_rate * (parameter.grad + self.config.weight_decay * parameter.value)",
            ),
        ),
        torch=Edit(
            OPTIM,
            "lr=config.learning_rate)",
            "lr=config.learning_rate, weight_decay=config.weight_decay)",
        ),
        jax=Edit(
            OPTIM,
            "clip, optax.sgd(",
            "clip, optax.add_decayed_weights(config.weight_decay), optax.sgd(",
        ),
    ),
    of(
        "clip_after",
        "clipping after the update instead of before it",
        numpy=Edit(STEP, STEP_NUMPY, swapped(STEP_NUMPY)),
        torch=Edit(STEP, STEP_TORCH, swapped(STEP_TORCH)),
        jax=(
            Edit(
                OPTIM,
                "chain(clip, optax.sgd(learning_rate))",
                "chain(optax.sgd(learning_rate), clip)",
            ),
            Edit(OPTIM, f"        clip,\n        {ADAM_JAX}", f"        {ADAM_JAX}\n        clip,"),
        ),
    ),
    of(
        "clip_per_tensor",
        "every tensor clipped by its own norm: the direction changes",
        numpy=Edit(
            OPTIM,
            CLIP_NUMPY,
            "for grad in grads:\n            grad *= min(1.0, max_norm / np.linalg.norm(grad))",
        ),
        torch=Edit(
            OPTIM,
            CLIP_TORCH,
            "for g in grads:\n            g.mul_((max_norm / g.norm()).clamp(max=1))",
        ),
        jax=Edit(OPTIM, CLIP_JAX, "optax.clip_by_block_rms(config.grad_clip)"),
    ),
    of(
        "clip_by_value",
        "every entry cut at the bound instead of the whole scaled",
        numpy=Edit(
            OPTIM,
            CLIP_NUMPY,
            "for grad in grads:\n            np.clip(grad, -max_norm, max_norm, out=grad)",
        ),
        torch=Edit(OPTIM, CLIP_TORCH, "torch.nn.utils.clip_grad_value_(parameters, max_norm)"),
        jax=Edit(OPTIM, CLIP_JAX, "optax.clip(config.grad_clip)"),
    ),
    of(
        "clip_always",
        "gradients smaller than the bound are scaled up to it",
        numpy=Edit(OPTIM, "if 0 < max_norm < norm:", "if 0 < max_norm:"),
        torch=Edit(OPTIM, "if 0 < max_norm < norm:", "if 0 < max_norm:"),
        jax=Edit(
            OPTIM,
            CLIP_JAX,
            "optax.stateless(lambda g, _: jax.tree.map(\n"
            "        lambda x: x * config.grad_clip / optax.tree.norm(g), g))",
        ),
    ),
    of(
        "clip_with_epsilon",
        "norm + 1e-6 in the divisor, as clip_grad_norm_ has it",
        numpy=Edit(OPTIM, "grad *= max_norm / norm", "grad *= max_norm / (norm + 1e-6)"),
        torch=Edit(OPTIM, CLIP_TORCH, CLIP_TORCH.replace("norm)", "(norm + 1e-6))")),
    ),
    of(
        "norm_after_clipping",
        "the norm reported is that of the clipped gradient",
        numpy=Edit(OPTIM, "return norm", "return min(norm, max_norm or norm)"),
        torch=Edit(OPTIM, "return norm", "return norm.clamp(max=max_norm or None)"),
        jax=Edit(STEP, "optax.tree.norm(grads)", "optax.tree.norm(updates)"),
    ),
    of(
        "schedule_off_by_one",
        "the schedule asked for the next step's learning rate",
        numpy=Edit(BACKEND, "(self.config, self.count)", "(self.config, self.count + 1)"),
        torch=Edit(BACKEND, "(self.config, self.count)", "(self.config, self.count + 1)"),
        jax=Edit(BACKEND, "(self.config, self.count)", "(self.config, self.count + 1)"),
    ),
    of(
        "schedule_not_applied",
        "the learning rate reported follows the schedule, the one used is the peak",
        numpy=Edit(
            BACKEND,
            "tokens, targets, lr, self.config",
            "tokens, targets, self.config.learning_rate, self.config",
        ),
        torch=Edit(STEP, "    set_learning_rate(optimizer, learning_rate)\n", ""),
        jax=Edit(OPTIM, "learning_rate(learning_rate)", "learning_rate(config.learning_rate)"),
    ),
    of(
        "gradients_pile_up",
        "gradients of the last call not cleared",
        numpy=Edit(STEP, "parameter.grad = None", "pass"),
        torch=Edit(STEP, "    gpt.zero_grad(set_to_none=True)\n", ""),
    ),
    of(
        "step_not_restored",
        "a resumed run starts its schedule again",
        everywhere=Edit(BACKEND, "self.count = state.step", "self.count = 0"),
    ),
    of(
        "moments_not_restored",
        "a resumed run starts with moments of zero",
        numpy=Edit(BACKEND, "        self.optimizer.load(moments, state.step)\n", ""),
        torch=Edit(BACKEND, "self.optimizer.state[p] = slots", "pass"),
        jax=Edit(BACKEND, "if isinstance(part, optax.ScaleByAdamState)\n", "if False\n"),
    ),
    of(
        "moments_swapped",
        "m and v exchanged in the state",
        numpy=Edit(OPTIM, '{"m": self.m, "v": self.v}', '{"m": self.v, "v": self.m}'),
        torch=Edit(
            BACKEND, '{"m": "exp_avg", "v": "exp_avg_sq"}', '{"m": "exp_avg_sq", "v": "exp_avg"}'
        ),
        jax=Edit(
            BACKEND,
            '{"m": to_numpy(adam.mu), "v": to_numpy(adam.nu)}',
            '{"m": to_numpy(adam.nu), "v": to_numpy(adam.mu)}',
        ),
    ),
    of(
        "state_aliased",
        "the state handed out is the live one and changes with the next step",
        numpy=Edit(BACKEND, "{name: value.copy() for name, value in moment.items()}", "moment"),
    ),
]
