"""The steps from averaging to self-attention, as one might copy them from a blackboard."""

from functools import partial

from audits.mutants.mutant import STEPS, Mutant

bug = partial(Mutant, chapters=("test_attention_steps",))

MUTANTS = [
    bug(
        "step_mean_over_all",
        "step 1: the sum of the past divided by T, not by how many positions are in it",
    )
    + STEPS.numpy("x[:, : t + 1].mean(axis=1)", "x[:, : t + 1].sum(axis=1) / T")
    + STEPS.torch("x[:, : t + 1].mean(dim=1)", "x[:, : t + 1].sum(dim=1) / T")
    + STEPS.jax("x[:, : t + 1].mean(axis=1)", "x[:, : t + 1].sum(axis=1) / T"),
    bug(
        "step_loop_off_by_one",
        "step 1: the slice ends one too late, so every position sees the next",
    )
    + STEPS.everywhere("x[:, : t + 1].mean(", "x[:, : t + 2].mean("),
    bug("step_upper_triangle", "step 2: triu for tril: the mean of the future")
    + STEPS.everywhere(".tril(", ".triu("),
    bug("step_columns_normalised", "step 2: columns of the triangle sum to 1, and rows do not")
    + STEPS.numpy("ones.sum(axis=1", "ones.sum(axis=0")
    + STEPS.torch("ones.sum(dim=1", "ones.sum(dim=0")
    + STEPS.jax("ones.sum(axis=1", "ones.sum(axis=0"),
    bug(
        "step_mask_off_by_one",
        "steps 3 and 4: the mask starts a diagonal too late, so every position sees the next",
    )
    + STEPS.everywhere("causal_mask(T, T, 0", "causal_mask(T, T, 1", times=2),
    bug("step_no_scale", "step 4: 1/√D left out")
    + STEPS.everywhere(" / math.sqrt(q.shape[-1])", ""),
    bug(
        "step_swap_qk",
        "step 4: the projection read in the order k, q, v: every score is transposed",
    )
    + STEPS.numpy("q, k, v = np.split(", "k, q, v = np.split(")
    + STEPS.torch("q, k, v = c_attn(x)", "k, q, v = c_attn(x)")
    + STEPS.jax("q, k, v = jnp.split(", "k, q, v = jnp.split("),
]
