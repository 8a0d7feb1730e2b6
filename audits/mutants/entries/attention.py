"""Scores, mask, softmax and heads."""

from audits.mutants.mutant import DECODING, Edit, Mutant

MODEL = "model.py"
SPLIT = {
    "numpy": "q, k, v = np.split(",
    "torch": "q, k, v = self.c_attn(x).chunk(",
    "jax": "q, k, v = jnp.split(",
}
SCORES = "q @ k.mT / math.sqrt(q.shape[-1])"
FUSED = "scaled_dot_product_attention(q, k, v, is_causal=T > 1"
HIDE = {
    "numpy": "att = np.where(mask, -math.inf, scores)",
    "torch": "att = scores.masked_fill(mask, -math.inf)",
    "jax": "att = jnp.where(mask, -jnp.inf, scores)",
}
SOFTMAX = {
    "numpy": "softmax(att))  # rows",
    "torch": "functional.softmax(att, dim=-1))  # rows",
    "jax": "jax.nn.softmax(att, axis=-1))  # rows",
}
IS_FUTURE = "j[None, :] > start + i[:, None]"
SPLIT_HEADS = {
    "numpy": "x.reshape(B, T, n_head, C // n_head).swapaxes(1, 2)",
    "torch": "x.view(B, T, n_head, C // n_head).transpose(1, 2)",
    "jax": "x.reshape(B, T, n_head, C // n_head).swapaxes(1, 2)",
}
MERGE_HEADS = {
    "numpy": "x.swapaxes(1, 2).reshape(B, T, H * D)",
    "torch": "x.transpose(1, 2).reshape(B, T, H * D)",
    "jax": "x.swapaxes(1, 2).reshape(B, T, H * D)",
}


def order(letters: str) -> dict[str, Edit]:
    """The three parts of c_attn under other names."""
    return {name: Edit(MODEL, old, old.replace("q, k, v", letters)) for name, old in SPLIT.items()}


def scale(divisor: str, fused: str) -> dict[str, tuple[Edit, ...]]:
    """Another divisor than √D, forwards, backwards and in torch's fused kernel."""
    forward = Edit(MODEL, SCORES, f"q @ k.mT / {divisor}")
    backward = Edit(MODEL, "datt) / math.sqrt(q.shape[-1])", f"datt) / {divisor}")
    kernel = Edit(MODEL, FUSED, f"{FUSED}, scale={fused}")
    return {"numpy": (forward, backward), "torch": (forward, kernel), "jax": (forward,)}


def instead(texts: dict[str, str], **new: str) -> dict[str, Edit]:
    """One replacement in each backend's own words."""
    return {backend: Edit(MODEL, texts[backend], text) for backend, text in new.items()}


MUTANTS = [
    Mutant.of(
        "swap_qk",
        "the fused projection read in the order k, q, v: every score is transposed",
        **order("k, q, v"),
    ),
    Mutant.of("swap_kv", "keys and values of the fused projection exchanged", **order("q, v, k")),
    Mutant.of(
        "no_scale", "1/√D left out, as in plain dot-product attention", **scale("1.0", "1.0")
    ),
    Mutant.of(
        "scale_by_d",
        "scores divided by D instead of √D",
        **scale("q.shape[-1]", "1 / q.shape[-1]"),
    ),
    Mutant.of(
        "scale_by_one_too_many",
        "√(D + 1): a size taken from the wrong axis or counted from one",
        **scale("math.sqrt(q.shape[-1] + 1)", "1 / math.sqrt(q.shape[-1] + 1)"),
    ),
    Mutant.of(
        "mask_off_by_one_future",
        "the triangle starts a diagonal too late: each position sees the next token",
        everywhere=Edit(MODEL, IS_FUTURE, f"{IS_FUTURE} + 1"),
    ),
    Mutant.of(
        "mask_off_by_one_past",
        "the triangle starts a diagonal too early: no position sees itself, the first nothing",
        everywhere=Edit(MODEL, IS_FUTURE, IS_FUTURE.replace(">", ">=")),
    ),
    Mutant.of(
        "mask_wrong_axis",
        "rows and columns of the mask exchanged: only the future is seen",
        everywhere=Edit(MODEL, IS_FUTURE, "j[:, None] > start + i[None, :]"),
    ),
    Mutant.of(
        "mask_ignores_cache",
        "the mask counts queries from 0 though the cache holds older keys",
        DECODING,
        numpy=Edit(MODEL, IS_FUTURE, "j[None, :] > i[:, None]"),
        torch=Edit(MODEL, FUSED, FUSED.replace("T > 1", "True")),
        jax=Edit(MODEL, IS_FUTURE, "j[None, :] > i[:, None]"),
    ),
    Mutant.of(
        "no_mask",
        "the causal mask forgotten: the model reads the answer",
        numpy=Edit(MODEL, HIDE["numpy"], "att = scores"),
        torch=(
            Edit(MODEL, HIDE["torch"], "att = scores"),
            Edit(MODEL, FUSED, FUSED.replace("T > 1", "False")),
        ),
        jax=Edit(MODEL, HIDE["jax"], "att = scores"),
    ),
    Mutant.of(
        "fused_kernel_without_mask",
        "scaled_dot_product_attention called without is_causal: only the traced path is masked",
        torch=Edit(MODEL, FUSED, FUSED.replace("T > 1", "False")),
    ),
    Mutant.of(
        "mask_with_zero",
        "masked scores set to 0 instead of −inf: the future keeps exp(0) of the weight",
        **{
            backend: Edit(MODEL, old, old.replace("-math.inf", "0.0").replace("-jnp.inf", "0.0"))
            for backend, old in HIDE.items()
        },
    ),
    Mutant.of(
        "mask_after_softmax",
        "the future set to 0 after the softmax: rows no longer sum to 1",
        numpy=(
            Edit(MODEL, HIDE["numpy"], "att = scores"),
            Edit(MODEL, SOFTMAX["numpy"], "np.where(mask, 0, softmax(att)))  # rows"),
        ),
        torch=(
            Edit(MODEL, HIDE["torch"], "att = scores"),
            Edit(
                MODEL,
                SOFTMAX["torch"],
                "functional.softmax(att, dim=-1).masked_fill(mask, 0))  # rows",
            ),
        ),
        jax=(
            Edit(MODEL, HIDE["jax"], "att = scores"),
            Edit(
                MODEL, SOFTMAX["jax"], "jnp.where(mask, 0, jax.nn.softmax(att, axis=-1)))  # rows"
            ),
        ),
    ),
    Mutant.of(
        "softmax_wrong_axis",
        "softmax over the queries instead of the keys",
        **instead(
            SOFTMAX,
            numpy="softmax(att.mT).mT)  # rows",
            torch="functional.softmax(att, dim=-2))  # rows",
            jax="jax.nn.softmax(att, axis=-2))  # rows",
        ),
    ),
    Mutant.of(
        "no_max_subtraction",
        "softmax by its definition: exp of a large score overflows",
        numpy=Edit("nn.py", "np.exp(x - x.max(axis=-1, keepdims=True))", "np.exp(x)"),
        torch=Edit(
            MODEL, SOFTMAX["torch"], "att.exp() / att.exp().sum(dim=-1, keepdim=True))  # rows"
        ),
        jax=Edit(
            MODEL,
            SOFTMAX["jax"],
            "jnp.exp(att) / jnp.exp(att).sum(axis=-1, keepdims=True))  # rows",
        ),
    ),
    Mutant.of(
        "float32_softmax",
        "softmax always in float32, as jax.nn.dot_product_attention has it",
        **instead(
            SOFTMAX,
            numpy="softmax(att.astype(np.float32)).astype(att.dtype))  # rows",
            torch="functional.softmax(att.float(), dim=-1).to(att.dtype))  # rows",
            jax="jax.nn.softmax(att.astype(jnp.float32), axis=-1).astype(att.dtype))  # rows",
        ),
    ),
    Mutant.of(
        "heads_not_transposed",
        "heads merged by a reshape alone: channels of different positions are mixed",
        **instead(MERGE_HEADS, **dict.fromkeys(MERGE_HEADS, "x.reshape(B, T, H * D)")),
    ),
    Mutant.of(
        "heads_split_without_transpose",
        "channels cut into heads by a reshape alone: a head gets pieces of other positions",
        **instead(
            SPLIT_HEADS, **dict.fromkeys(SPLIT_HEADS, "x.reshape(B, n_head, T, C // n_head)")
        ),
    ),
    Mutant.of(
        "heads_interleaved",
        "channel c given to head c mod H instead of c div D: another model's layout",
        **instead(
            SPLIT_HEADS,
            numpy="x.reshape(B, T, C // n_head, n_head).transpose(0, 3, 1, 2)",
            torch="x.view(B, T, C // n_head, n_head).permute(0, 3, 1, 2)",
            jax="x.reshape(B, T, C // n_head, n_head).transpose(0, 3, 1, 2)",
        ),
    ),
    Mutant.of(
        "attention_backward_without_scale",
        "1/√D of the forward forgotten in the backward",
        numpy=Edit(MODEL, "datt) / math.sqrt(q.shape[-1])", "datt)"),
    ),
    Mutant.of(
        "keys_gradient_not_transposed",
        "dk = dscores q instead of dscoresᵀ q: the shapes fit all the same",
        numpy=Edit(MODEL, "dk = dscores.mT @ q", "dk = dscores @ q"),
    ),
    Mutant.of(
        "softmax_backward_missing_term",
        "the softmax's derivative taken as p alone, as if every score only moved its own weight",
        numpy=Edit("nn.py", '(dp - np.einsum("...s,...s->...", p, dp)[..., None])', "dp"),
    ),
    Mutant.of(
        "values_detached",
        "no gradient through the values: a detach left over from debugging",
        torch=(
            Edit(MODEL, FUSED, FUSED.replace("q, k, v,", "q, k, v.detach(),")),
            Edit(MODEL, "y = att @ v", "y = att @ v.detach()"),
        ),
        jax=Edit(MODEL, "y = att @ v", "y = att @ jax.lax.stop_gradient(v)"),
    ),
]
