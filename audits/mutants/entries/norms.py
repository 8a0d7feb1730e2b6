"""LayerNorm, and where in the block it stands."""

from audits.mutants.mutant import LAYERS, MODEL, Edit, Edits, Mutant

bug = Mutant
DX = "(dx - mean(dx) - x * mean(dx * x))"

# In words that torch and jax.numpy share.
MEAN = "x.mean(axis=-1, keepdims=True)"
VARIANCE = "(x * x).mean(axis=-1, keepdims=True)"
ROOT = f"({VARIANCE} + EPSILON) ** 0.5"


def by_hand(
    mean: str = MEAN, std: str = ROOT, y: str = "x / std * GAIN", bias: str = "BIAS"
) -> Edits:
    """The LayerNorms of torch and flax written out, with a mistake in one place."""
    body = (
        f"(self, x):\n        x = x - {mean}\n        std = {std}\n        y = {y}\n"
        f"        return y if {bias} is None else y + BIAS\n\n\n"
    ).replace("BIAS", "self.bias")
    torch = body.replace("EPSILON", "self.eps").replace("GAIN", "self.weight")
    jax = body.replace("EPSILON", "self.epsilon").replace("GAIN", "self.scale")
    written = f"class LayerNorm(nn.LayerNorm):\n    def forward{torch}def split_heads("
    return {
        "torch": (
            Edit("model.py", "nn.LayerNorm(", "LayerNorm(", times=3),
            Edit("model.py", "def split_heads(", written),
        ),
        **LAYERS.jax(
            "LayerNorm = partial(nnx.LayerNorm, use_fast_variance=False)\n",
            f"class LayerNorm(nnx.LayerNorm):\n    def __call__{jax}",
        ),
    }


MUTANTS = [
    bug("layer_norm_eps", "flax's default epsilon of 1e-6 where 1e-5 is meant")
    + MODEL.eager("config.layer_norm_epsilon", "1e-6", times=3)
    + MODEL.jax("config.layer_norm_epsilon", "1e-6", times=2),
    bug("layer_norm_eps_fixed", "the configuration's epsilon ignored: right as long as it is 1e-5")
    + MODEL.eager("config.layer_norm_epsilon", "1e-5", times=3)
    + MODEL.jax("config.layer_norm_epsilon", "1e-5", times=2),
    bug("variance_n_minus_1", "the unbiased variance, torch.var's default")
    + LAYERS.numpy("np.sqrt(mean(x * x)", "… * x.shape[-1] / (x.shape[-1] - 1)")
    + by_hand(std="((x * x).sum(axis=-1, keepdims=True) / (x.shape[-1] - 1) + EPSILON) ** 0.5"),
    bug("epsilon_outside_root", "epsilon added to the standard deviation instead of the variance")
    + LAYERS.numpy("np.sqrt(mean(x * x) + self.epsilon)", "np.sqrt(mean(x * x)) + self.epsilon")
    + by_hand(std=f"{VARIANCE} ** 0.5 + EPSILON"),
    bug("rms_norm", "the mean not subtracted: RMSNorm under LayerNorm's name")
    + LAYERS.numpy("x = x - mean(x)", "x = x + 0.0")
    + by_hand(mean="0.0"),
    bug(
        "layer_norm_over_time",
        "mean taken over the positions instead of the channels: the future leaks in",
    )
    + LAYERS.numpy("x = x - mean(x)", "x = x - x.mean(axis=1, keepdims=True)")
    + by_hand(mean="x.mean(axis=1, keepdims=True)"),
    bug("layer_norm_bias_not_added", "LayerNorm's bias exists, is loaded and is never used")
    + LAYERS.numpy("return y if self.bias is None else y + self.bias.value", "return y")
    + by_hand(bias="None"),
    bug("layer_norm_gain_not_applied", "LayerNorm's gain exists, is loaded and is never used")
    + LAYERS.numpy("y = x * self.weight.value", "y = x")
    + by_hand(y="x / std"),
    bug("layer_norm_backward_missing_term", "the backward treats the mean as a constant")
    + LAYERS.numpy(DX, "(dx - x * mean(dx * x))")
    + {"torch": by_hand(mean=f"{MEAN}.detach()")["torch"]}
    + {"jax": by_hand(mean=f"jax.lax.stop_gradient({MEAN})")["jax"]},
    bug(
        "layer_norm_backward_missing_variance",
        "the backward treats the standard deviation as a constant",
    )
    + LAYERS.numpy(DX, "(dx - mean(dx))")
    + {"torch": by_hand(std=f"({ROOT}).detach()")["torch"]}
    + {"jax": by_hand(std=f"jax.lax.stop_gradient({ROOT})")["jax"]},
    bug("layer_norm_backward_sum_for_mean", "1/C left out of one of the backward's two sums")
    + LAYERS.numpy("x * mean(dx * x)", "… * x.shape[-1]"),
    bug("last_norm_forgotten", "ln_f loaded and left out: the head reads the raw stream")
    + MODEL.everywhere("x = self.ln_f(x)", "pass")
    + MODEL.numpy("dx = self.ln_f.backward(dx)", "dx = dx + 0.0"),
    bug("post_for_pre", "pre- and post-norm exchanged")
    + MODEL.numpy('if self.norm == "pre":', 'if self.norm == "post":', times=2)
    + MODEL.torch('if self.norm == "pre":', 'if self.norm == "post":')
    + MODEL.jax('if self.norm == "pre":', 'if self.norm == "post":'),
    bug("same_norm_twice", "ln_1 used before the MLP as well: a line copied and not changed")
    + MODEL.everywhere("self.mlp(self.ln_2(x))", "self.mlp(self.ln_1(x))"),
]
