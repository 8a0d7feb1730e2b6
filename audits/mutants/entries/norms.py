"""LayerNorm, and where in the block it stands."""

from audits.mutants.mutant import Edit, Mutant

MODEL = "model.py"
EPSILON = "self.epsilon = config.layer_norm_epsilon"
KERNEL = "return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)"
STD = {
    "numpy": "std = np.sqrt(mean(x * x) + self.epsilon)",
    "jax": "std = jnp.sqrt((x * x).mean(axis=-1, keepdims=True) + self.epsilon)",
}
CENTRE = {"numpy": "x = x - mean(x)", "jax": "x = x - x.mean(axis=-1, keepdims=True)"}
ADD_BIAS = {
    "numpy": "return y if self.bias is None else y + self.bias.value",
    "jax": "return y if self.bias is None else y + self.bias",
}


def by_hand(mean: str, std: str) -> Edit:
    """torch's LayerNorm written out, with a mistake in one of two places."""
    return Edit(
        MODEL,
        KERNEL,
        f"x = x - {mean}\n        y = x / {std} * self.weight\n"
        "        return y if self.bias is None else y + self.bias",
    )


MEAN = "x.mean(-1, keepdim=True)"
ROOT = "torch.sqrt((x * x).mean(-1, keepdim=True) + self.epsilon)"

MUTANTS = [
    Mutant.of(
        "layer_norm_eps",
        "flax's default epsilon of 1e-6 where 1e-5 is meant",
        everywhere=Edit(MODEL, EPSILON, "self.epsilon = 1e-6"),
    ),
    Mutant.of(
        "layer_norm_eps_fixed",
        "the configuration's epsilon ignored: right as long as it is 1e-5",
        everywhere=Edit(MODEL, EPSILON, "self.epsilon = 1e-5"),
    ),
    Mutant.of(
        "variance_n_minus_1",
        "the unbiased variance, torch.var's default",
        numpy=Edit(
            MODEL,
            STD["numpy"],
            "std = np.sqrt(mean(x * x) * x.shape[-1] / (x.shape[-1] - 1) + self.epsilon)",
        ),
        torch=by_hand(MEAN, "torch.sqrt(x.var(-1, keepdim=True) + self.epsilon)"),
        jax=Edit(
            MODEL,
            STD["jax"],
            "std = jnp.sqrt(x.var(axis=-1, keepdims=True, ddof=1) + self.epsilon)",
        ),
    ),
    Mutant.of(
        "epsilon_outside_root",
        "epsilon added to the standard deviation instead of the variance",
        numpy=Edit(MODEL, STD["numpy"], "std = np.sqrt(mean(x * x)) + self.epsilon"),
        torch=by_hand(MEAN, "(torch.sqrt((x * x).mean(-1, keepdim=True)) + self.epsilon)"),
        jax=Edit(
            MODEL,
            STD["jax"],
            "std = jnp.sqrt((x * x).mean(axis=-1, keepdims=True)) + self.epsilon",
        ),
    ),
    Mutant.of(
        "rms_norm",
        "the mean not subtracted: RMSNorm under LayerNorm's name",
        numpy=Edit(MODEL, CENTRE["numpy"], "x = x + 0.0"),
        torch=by_hand("0.0", ROOT),
        jax=Edit(MODEL, CENTRE["jax"], "x = x + 0.0"),
    ),
    Mutant.of(
        "layer_norm_over_time",
        "mean taken over the positions instead of the channels: the future leaks in",
        numpy=Edit(MODEL, CENTRE["numpy"], "x = x - x.mean(axis=1, keepdims=True)"),
        torch=by_hand("x.mean(1, keepdim=True)", ROOT),
        jax=Edit(MODEL, CENTRE["jax"], "x = x - x.mean(axis=1, keepdims=True)"),
    ),
    Mutant.of(
        "layer_norm_bias_not_added",
        "LayerNorm's bias exists, is loaded and is never used",
        numpy=Edit(MODEL, ADD_BIAS["numpy"], "return y"),
        torch=Edit(MODEL, KERNEL, KERNEL.replace("self.bias", "None")),
        jax=Edit(MODEL, ADD_BIAS["jax"], "return y"),
    ),
    Mutant.of(
        "layer_norm_gain_not_applied",
        "LayerNorm's gain exists, is loaded and is never used",
        numpy=Edit(MODEL, "y = x * self.weight.value", "y = x"),
        torch=Edit(MODEL, KERNEL, KERNEL.replace("self.weight,", "None,")),
        jax=Edit(MODEL, "y = x / std * self.weight", "y = x / std"),
    ),
    Mutant.of(
        "layer_norm_backward_missing_term",
        "the backward treats the mean as a constant",
        numpy=Edit(MODEL, "(dx - mean(dx) - x * mean(dx * x))", "(dx - x * mean(dx * x))"),
        torch=by_hand(f"{MEAN}.detach()", ROOT),
        jax=Edit(
            MODEL,
            CENTRE["jax"],
            "x = x - lax.stop_gradient(x.mean(axis=-1, keepdims=True))",
        ),
    ),
    Mutant.of(
        "layer_norm_backward_missing_variance",
        "the backward treats the standard deviation as a constant",
        numpy=Edit(MODEL, "(dx - mean(dx) - x * mean(dx * x))", "(dx - mean(dx))"),
        torch=by_hand(MEAN, f"{ROOT}.detach()"),
        jax=Edit(
            MODEL, "y = x / std * self.weight", "y = x / lax.stop_gradient(std) * self.weight"
        ),
    ),
    Mutant.of(
        "layer_norm_backward_sum_for_mean",
        "1/C left out of one of the backward's two sums",
        numpy=Edit(MODEL, "x * mean(dx * x)", "x * mean(dx * x) * x.shape[-1]"),
    ),
    Mutant.of(
        "last_norm_forgotten",
        "ln_f loaded and left out: the head reads the raw stream",
        numpy=(
            Edit(MODEL, 'tap("ln_f", self.ln_f(x))', 'tap("ln_f", x)'),
            Edit(MODEL, "dx = self.ln_f.backward(dx)", "dx = dx + 0.0"),
        ),
        torch=Edit(MODEL, 'tap("ln_f", self.ln_f(x))', 'tap("ln_f", x)'),
        jax=Edit(MODEL, 'tap("ln_f", self.ln_f(x))', 'tap("ln_f", x)'),
    ),
    Mutant.of(
        "post_for_pre",
        "pre- and post-norm exchanged",
        numpy=Edit(MODEL, 'if self.norm == "pre":', 'if self.norm == "post":', times=2),
        torch=Edit(MODEL, 'if self.norm == "pre":', 'if self.norm == "post":'),
        jax=Edit(MODEL, 'if self.norm == "pre":', 'if self.norm == "post":'),
    ),
    Mutant.of(
        "same_norm_twice",
        "ln_1 used before the MLP as well: a line copied and not changed",
        everywhere=Edit(MODEL, 'tap("ln_2", self.ln_2(x))', 'tap("ln_2", self.ln_1(x))'),
    ),
]
