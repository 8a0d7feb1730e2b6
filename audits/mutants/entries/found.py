"""Mistakes that were found in public code and that no other theme has."""

from audits.mutants.entries.attention import SCORES
from audits.mutants.entries.norms import MEAN, by_hand
from audits.mutants.mutant import (
    BACKEND,
    DECODING,
    GENERATE,
    LAYERS,
    MODEL,
    OPTIM,
    OPTIMIZER,
    Mutant,
)

bug = Mutant
WIDTH = "math.sqrt(q.shape[1] * q.shape[-1])"  # √(H · D) = √C
KTH = "ranked[min(config.top_k, len(ranked)) - 1]"
FAST = f"((x * x).mean(axis=-1, keepdims=True) - {MEAN} ** 2 + EPSILON) ** 0.5"

MUTANTS = [
    bug("scale_by_c", "scores divided by √C instead of √D: with a single head it is the same")
    + MODEL.everywhere(SCORES, f"q @ k.mT / {WIDTH}")
    + MODEL.numpy("datt) / math.sqrt(q.shape[-1])", f"datt) / {WIDTH}")
    + MODEL.torch("is_causal=T > 1", f"…, scale=1 / {WIDTH}"),
    bug(
        "mask_minus_1e4",
        "−10000 for −∞: weights can learn scores lower than that, and look past the mask",
    )
    + MODEL.eager("(mask, -math.inf", "(mask, -1e4")
    + MODEL.torch(
        "if not self.tap and self.attn_dropout.mask is None and T in (1, S):", "if False:"
    )
    + MODEL.jax("(mask, -jnp.inf", "(mask, -1e4"),
    bug(
        "fused_kernel_alone_masked",
        "masked in the fused kernel only: the path that shows its weights sees the future",
    )
    + MODEL.torch("scores.masked_fill(mask, -math.inf)", "scores"),
    bug(
        "fast_variance",
        "E[x²] − E[x]² for the variance: no digit is left of it where the mean is large",
        chapters=("test_forward", "test_shapes.py::test_digits"),
    )
    + LAYERS.numpy("x = x - mean(x)\n", "variance = mean(x * x) - mean(x) ** 2\n        …")
    + LAYERS.numpy("np.sqrt(mean(x * x)", "np.sqrt(variance")
    + {"torch": by_hand("0.0", FAST, f"(x - {MEAN}) / std * GAIN")["torch"]}
    + LAYERS.jax("partial(nnx.LayerNorm, use_fast_variance=False)", "nnx.LayerNorm"),
    bug(
        "residual_from_block_input",
        "post-norm: the MLP's output added to what came into the block, not into the MLP",
    )
    + MODEL.everywhere("x = self.ln_1(x + self.attn", "block_input = x\n            …")
    + MODEL.everywhere("self.ln_2(x + self.mlp(x))", "self.ln_2(block_input + self.mlp(x))"),
    bug(
        "bias_correction_inverted",
        "moments multiplied by 1 − βᵗ instead of divided by it",
        chapters=OPTIMIZER,
    )
    + OPTIM.numpy("v / correction_2", "v * correction_2")
    + OPTIM.numpy("m / correction_1", "m * correction_1"),
    bug(
        "epsilon_before_correction",
        "ε added to √v before v is corrected: Adam's ε̂, and many times ε in the first steps",
        chapters=OPTIMIZER,
    )
    + OPTIM.numpy("np.sqrt(v / correction_2)", "np.sqrt(v)")
    + OPTIM.numpy("update += config.epsilon", "…\n            update /= math.sqrt(correction_2)"),
    bug(
        "top_k_keeps_ties",
        "top-k by the value of the k-th: all that equal it stay, and more than k are left",
        chapters=DECODING,
    )
    + GENERATE.eager("ranked[config.top_k :] = 0", f"ranked[ranked < {KTH}] = 0")
    + GENERATE.jax(
        "jnp.arange(p.shape[0]) < top_k", "p[order] >= p[order][jnp.minimum(top_k, p.shape[0]) - 1]"
    ),
    bug(
        "temperature_twice",
        "divided by the temperature in two places: at 1 it is the same",
        chapters=DECODING,
    )
    + GENERATE.eager("/ config.temperature", "… / config.temperature")
    + GENERATE.jax("/ temperature", "… / temperature"),
    bug(
        "tie_lost_on_loading",
        "loading gives each name an array of its own: a tied head is a copy, which never trains",
    )
    + BACKEND.torch(
        "parameter.copy_(from_numpy(swap_layout(key, weights[key])))\n",
        "…        if self.config.tie_weights:\n"
        "            copied = self.gpt.lm_head.weight.clone()\n"
        "            self.gpt.lm_head.weight = torch.nn.Parameter(copied)\n",
    ),
]
