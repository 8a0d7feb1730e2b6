"""LayerNorm, and where in the block it stands."""

from audits.mutants.mutant import Edit, Mutant

MODEL, LAYERS = "model.py", "nn.py"
EPSILON = "config.layer_norm_epsilon"
STD = "std = np.sqrt(mean(x * x) + self.epsilon)"
CENTRE = "x = x - mean(x)"
DX = "(dx - mean(dx) - x * mean(dx * x))"

# In words that torch and jax.numpy share.
MEAN = "x.mean(axis=-1, keepdims=True)"
ROOT = "((x * x).mean(axis=-1, keepdims=True) + EPSILON) ** 0.5"


def by_hand(
    mean: str = MEAN, std: str = ROOT, y: str = "x / std * GAIN", bias: str = "BIAS"
) -> dict[str, tuple[Edit, ...]]:
    """The LayerNorms of torch and flax written out, with a mistake in one place."""
    lines = (
        f"x = x - {mean}",
        f"std = {std}",
        f"y = {y}",
        f"return y if {bias} is None else y + BIAS",
    )
    body = "".join(f"        {line}\n" for line in lines)
    torch = {"EPSILON": "self.eps", "GAIN": "self.weight", "BIAS": "self.bias"}
    jax = {"EPSILON": "self.epsilon", "GAIN": "self.scale", "BIAS": "self.bias"}
    return {
        "torch": (
            Edit(MODEL, "nn.LayerNorm(", "LayerNorm(", times=3),
            Edit(
                MODEL,
                "def split_heads(",
                "class LayerNorm(nn.LayerNorm):\n    def forward(self, x):\n"
                f"{renamed(body, torch)}\n\ndef split_heads(",
            ),
        ),
        "jax": (
            Edit(
                LAYERS,
                "LayerNorm = partial(nnx.LayerNorm, use_fast_variance=False)\n",
                "class LayerNorm(nnx.LayerNorm):\n    def __call__(self, x):\n"
                f"{renamed(body, jax)}\n\n",
            ),
        ),
    }


def fixed(epsilon: str) -> dict[str, Edit]:
    """Another epsilon than the configuration's in all three norms; in JAX two share a line."""
    times = {"numpy": 3, "torch": 3, "jax": 2}
    return {backend: Edit(MODEL, EPSILON, epsilon, times=n) for backend, n in times.items()}


def renamed(text: str, names: dict[str, str]) -> str:
    for name, own in names.items():
        text = text.replace(name, own)
    return text


MUTANTS = [
    Mutant.of(
        "layer_norm_eps",
        "flax's default epsilon of 1e-6 where 1e-5 is meant",
        **fixed("1e-6"),
    ),
    Mutant.of(
        "layer_norm_eps_fixed",
        "the configuration's epsilon ignored: right as long as it is 1e-5",
        **fixed("1e-5"),
    ),
    Mutant.of(
        "variance_n_minus_1",
        "the unbiased variance, torch.var's default",
        numpy=Edit(
            LAYERS,
            STD,
            "std = np.sqrt(mean(x * x) * x.shape[-1] / (x.shape[-1] - 1) + self.epsilon)",
        ),
        **by_hand(std="((x * x).sum(axis=-1, keepdims=True) / (x.shape[-1] - 1) + EPSILON) ** 0.5"),
    ),
    Mutant.of(
        "epsilon_outside_root",
        "epsilon added to the standard deviation instead of the variance",
        numpy=Edit(LAYERS, STD, "std = np.sqrt(mean(x * x)) + self.epsilon"),
        **by_hand(std="(x * x).mean(axis=-1, keepdims=True) ** 0.5 + EPSILON"),
    ),
    Mutant.of(
        "rms_norm",
        "the mean not subtracted: RMSNorm under LayerNorm's name",
        numpy=Edit(LAYERS, CENTRE, "x = x + 0.0"),
        **by_hand(mean="0.0"),
    ),
    Mutant.of(
        "layer_norm_over_time",
        "mean taken over the positions instead of the channels: the future leaks in",
        numpy=Edit(LAYERS, CENTRE, "x = x - x.mean(axis=1, keepdims=True)"),
        **by_hand(mean="x.mean(axis=1, keepdims=True)"),
    ),
    Mutant.of(
        "layer_norm_bias_not_added",
        "LayerNorm's bias exists, is loaded and is never used",
        numpy=Edit(LAYERS, "return y if self.bias is None else y + self.bias.value", "return y"),
        **by_hand(bias="None"),
    ),
    Mutant.of(
        "layer_norm_gain_not_applied",
        "LayerNorm's gain exists, is loaded and is never used",
        numpy=Edit(LAYERS, "y = x * self.weight.value", "y = x"),
        **by_hand(y="x / std"),
    ),
    Mutant.of(
        "layer_norm_backward_missing_term",
        "the backward treats the mean as a constant",
        numpy=Edit(LAYERS, DX, "(dx - x * mean(dx * x))"),
        torch=by_hand(mean=f"{MEAN}.detach()")["torch"],
        jax=by_hand(mean=f"jax.lax.stop_gradient({MEAN})")["jax"],
    ),
    Mutant.of(
        "layer_norm_backward_missing_variance",
        "the backward treats the standard deviation as a constant",
        numpy=Edit(LAYERS, DX, "(dx - mean(dx))"),
        torch=by_hand(std=f"({ROOT}).detach()")["torch"],
        jax=by_hand(std=f"jax.lax.stop_gradient({ROOT})")["jax"],
    ),
    Mutant.of(
        "layer_norm_backward_sum_for_mean",
        "1/C left out of one of the backward's two sums",
        numpy=Edit(LAYERS, "x * mean(dx * x)", "x * mean(dx * x) * x.shape[-1]"),
    ),
    Mutant.of(
        "last_norm_forgotten",
        "ln_f loaded and left out: the head reads the raw stream",
        numpy=(
            Edit(MODEL, "x = self.ln_f(x)", "pass"),
            Edit(MODEL, "dx = self.ln_f.backward(dx)", "dx = dx + 0.0"),
        ),
        torch=Edit(MODEL, "x = self.ln_f(x)", "pass"),
        jax=Edit(MODEL, "x = self.ln_f(x)", "pass"),
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
        everywhere=Edit(MODEL, "self.mlp(self.ln_2(x))", "self.mlp(self.ln_1(x))"),
    ),
]
