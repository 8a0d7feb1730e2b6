"""The steps from averaging to self-attention, as one might copy them from a blackboard."""

from audits.mutants.mutant import Edit, Mutant

STEPS = "attention_steps.py"
CHAPTERS = ("test_attention_steps",)
MEAN = {
    "numpy": "x[:, : t + 1].mean(axis=1)",
    "torch": "x[:, : t + 1].mean(dim=1)",
    "jax": "x[:, : t + 1].mean(axis=1)",
}
ROW_SUM = {
    "numpy": "ones.sum(axis=1, keepdims=True)",
    "torch": "ones.sum(dim=1, keepdim=True)",
    "jax": "ones.sum(axis=1, keepdims=True)",
}
SPLIT = {
    "numpy": "q, k, v = np.split(",
    "torch": "q, k, v = c_attn(x).chunk(",
    "jax": "q, k, v = jnp.split(",
}


def replaced(texts: dict[str, str], old: str, new: str) -> dict[str, Edit]:
    """The same slip in each backend's own words."""
    return {backend: Edit(STEPS, text, text.replace(old, new)) for backend, text in texts.items()}


MUTANTS = [
    Mutant.of(
        "step_mean_over_all",
        "step 1: the sum of the past divided by T, not by how many positions are in it",
        CHAPTERS,
        **{
            backend: Edit(STEPS, text, text.replace("mean", "sum") + " / T")
            for backend, text in MEAN.items()
        },
    ),
    Mutant.of(
        "step_loop_off_by_one",
        "step 1: the slice ends one too late, so every position sees the next",
        CHAPTERS,
        **replaced(MEAN, "t + 1", "t + 2"),
    ),
    Mutant.of(
        "step_upper_triangle",
        "step 2: triu for tril: the mean of the future",
        CHAPTERS,
        everywhere=Edit(STEPS, ".tril(", ".triu("),
    ),
    Mutant.of(
        "step_columns_normalised",
        "step 2: columns of the triangle sum to 1, and rows do not",
        CHAPTERS,
        **replaced(ROW_SUM, "=1", "=0"),
    ),
    Mutant.of(
        "step_mask_off_by_one",
        "steps 3 and 4: the mask starts a diagonal too late, so every position sees the next",
        CHAPTERS,
        everywhere=Edit(STEPS, "causal_mask(T, T, 0", "causal_mask(T, T, 1", times=2),
    ),
    Mutant.of(
        "step_no_scale",
        "step 4: 1/√D left out",
        CHAPTERS,
        everywhere=Edit(STEPS, " / math.sqrt(q.shape[-1])", ""),
    ),
    Mutant.of(
        "step_swap_qk",
        "step 4: the projection read in the order k, q, v: every score is transposed",
        CHAPTERS,
        **replaced(SPLIT, "q, k, v", "k, q, v"),
    ),
]
