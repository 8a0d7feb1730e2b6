"""Mistakes that were found in public code and that no other theme has."""

from audits.mutants.entries.norms import MEAN, by_hand
from audits.mutants.mutant import DECODING, FORWARD, OPTIMIZER, Edit, Mutant

MODEL, OPTIM, GENERATE, BACKEND = "model.py", "optim.py", "generate.py", "backend.py"
SCORES = "q @ k.mT / math.sqrt(q.shape[-1])"
WIDTH = "math.sqrt(q.shape[1] * q.shape[-1])"  # √(H · D) = √C
FUSED = "scaled_dot_product_attention(q, k, v, is_causal=T > 1"
HIDE = {
    "numpy": "att = np.where(mask, -math.inf, scores)",
    "torch": "att = scores.masked_fill(mask, -math.inf)",
    "jax": "att = jnp.where(mask, -jnp.inf, scores)",
}
CENTRE = "x = x - mean(x)\n"
ATTN = "x = self.ln_1(x + self.attn(x, cache))"
FAST = f"((x * x).mean(axis=-1, keepdims=True) - {MEAN} ** 2 + EPSILON) ** 0.5"
ROOT = "update = np.sqrt(v / correction_2)"
EPSILON = "update += config.epsilon"
LOADED = "parameter.copy_(from_numpy(swap_layout(key, weights[key])))"
TOP_K = {
    "numpy": "ranked[config.top_k :] = 0",
    "torch": "ranked[config.top_k :] = 0",
    "jax": "jnp.arange(p.shape[0]) < top_k",
}
TEMPERATURE = {
    "numpy": "/ config.temperature",
    "torch": "/ config.temperature",
    "jax": "/ temperature",
}
KTH = "ranked[min(config.top_k, len(ranked)) - 1]"

MUTANTS = [
    Mutant.of(
        "scale_by_c",
        "scores divided by √C instead of √D: with a single head it is the same",
        numpy=(
            Edit(MODEL, SCORES, f"q @ k.mT / {WIDTH}"),
            Edit(MODEL, "datt) / math.sqrt(q.shape[-1])", f"datt) / {WIDTH}"),
        ),
        torch=(
            Edit(MODEL, SCORES, f"q @ k.mT / {WIDTH}"),
            Edit(MODEL, FUSED, f"{FUSED}, scale=1 / {WIDTH}"),
        ),
        jax=Edit(MODEL, SCORES, f"q @ k.mT / {WIDTH}"),
    ),
    Mutant.of(
        "mask_minus_1e4",
        "−10000 for −∞: weights can learn scores lower than that, and look past the mask",
        numpy=Edit(MODEL, HIDE["numpy"], HIDE["numpy"].replace("-math.inf", "-1e4")),
        torch=(
            Edit(MODEL, HIDE["torch"], HIDE["torch"].replace("-math.inf", "-1e4")),
            Edit(MODEL, "if not self.tap and T in (1, S):", "if False:"),
        ),
        jax=Edit(MODEL, HIDE["jax"], HIDE["jax"].replace("-jnp.inf", "-1e4")),
    ),
    Mutant.of(
        "fused_kernel_alone_masked",
        "masked in the fused kernel only: the path that shows its weights sees the future",
        torch=Edit(MODEL, HIDE["torch"], "att = scores"),
    ),
    Mutant.of(
        "fast_variance",
        "E[x²] − E[x]² for the variance: no digit is left of it where the mean is large",
        ("test_forward", "test_shapes.py::test_digits"),
        numpy=(
            Edit("nn.py", CENTRE, f"variance = mean(x * x) - mean(x) ** 2\n        {CENTRE}"),
            Edit("nn.py", "np.sqrt(mean(x * x)", "np.sqrt(variance"),
        ),
        torch=by_hand("0.0", FAST, f"(x - {MEAN}) / std * GAIN")["torch"],
        jax=Edit("nn.py", "partial(nnx.LayerNorm, use_fast_variance=False)", "nnx.LayerNorm"),
    ),
    Mutant.of(
        "residual_from_block_input",
        "post-norm: the MLP's output added to what came into the block, not into the MLP",
        everywhere=(
            Edit(MODEL, ATTN, f"block_input = x\n            {ATTN}"),
            Edit(MODEL, "self.ln_2(x + self.mlp(x))", "self.ln_2(block_input + self.mlp(x))"),
        ),
    ),
    Mutant.of(
        "bias_correction_inverted",
        "moments multiplied by 1 − βᵗ instead of divided by it",
        OPTIMIZER,
        numpy=(
            Edit(OPTIM, "v / correction_2", "v * correction_2"),
            Edit(OPTIM, "m / correction_1", "m * correction_1"),
        ),
    ),
    Mutant.of(
        "epsilon_before_correction",
        "ε added to √v before v is corrected: Adam's ε̂, and many times ε in the first steps",
        OPTIMIZER,
        numpy=(
            Edit(OPTIM, ROOT, "update = np.sqrt(v)"),
            Edit(OPTIM, EPSILON, f"{EPSILON}\n            update /= math.sqrt(correction_2)"),
        ),
    ),
    Mutant.of(
        "top_k_keeps_ties",
        "top-k by the value of the k-th: all that equal it stay, and more than k are left",
        DECODING,
        numpy=Edit(GENERATE, TOP_K["numpy"], f"ranked[ranked < {KTH}] = 0"),
        torch=Edit(GENERATE, TOP_K["torch"], f"ranked[ranked < {KTH}] = 0"),
        jax=Edit(
            GENERATE, TOP_K["jax"], "p[order] >= p[order][jnp.minimum(top_k, p.shape[0]) - 1]"
        ),
    ),
    Mutant.of(
        "temperature_twice",
        "divided by the temperature in two places: at 1 it is the same",
        DECODING,
        **{
            name: Edit(GENERATE, text, f"{text} / {text[2:]}") for name, text in TEMPERATURE.items()
        },
    ),
    Mutant.of(
        "tie_lost_on_loading",
        "loading gives each name an array of its own: a tied head is a copy, which never trains",
        FORWARD,
        torch=Edit(
            BACKEND,
            f"            {LOADED}\n",
            f"            {LOADED}\n"
            "        if self.config.tie_weights:\n"
            "            copied = self.gpt.lm_head.weight.clone()\n"
            "            self.gpt.lm_head.weight = torch.nn.Parameter(copied)\n",
        ),
    ),
]
