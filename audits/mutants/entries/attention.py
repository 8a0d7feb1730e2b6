"""Scores, mask, softmax and heads."""

from audits.mutants.mutant import DECODING, LAYERS, MODEL, Mutant

bug = Mutant
SCORES = "q @ k.mT / math.sqrt(q.shape[-1])"
IS_FUTURE = "j[None, :] > start + i[:, None]"

MUTANTS = [
    bug("swap_qk", "the fused projection read in the order k, q, v: every score is transposed")
    + MODEL.everywhere("q, k, v = ", "k, q, v = "),
    bug("swap_kv", "keys and values of the fused projection exchanged")
    + MODEL.everywhere("q, k, v = ", "q, v, k = "),
    bug("no_scale", "1/√D left out, as in plain dot-product attention")
    + MODEL.everywhere(SCORES, "q @ k.mT / 1.0")
    + MODEL.numpy("datt) / math.sqrt(q.shape[-1])", "datt) / 1.0")
    + MODEL.torch("is_causal=T > 1", "…, scale=1.0"),
    bug("scale_by_d", "scores divided by D instead of √D")
    + MODEL.everywhere(SCORES, "q @ k.mT / q.shape[-1]")
    + MODEL.numpy("datt) / math.sqrt(q.shape[-1])", "datt) / q.shape[-1]")
    + MODEL.torch("is_causal=T > 1", "…, scale=1 / q.shape[-1]"),
    bug("scale_by_one_too_many", "√(D + 1): a size taken from the wrong axis or counted from one")
    + MODEL.everywhere(SCORES, "q @ k.mT / math.sqrt(q.shape[-1] + 1)")
    + MODEL.numpy("datt) / math.sqrt(q.shape[-1])", "datt) / math.sqrt(q.shape[-1] + 1)")
    + MODEL.torch("is_causal=T > 1", "…, scale=1 / math.sqrt(q.shape[-1] + 1)"),
    bug(
        "mask_off_by_one_future",
        "the triangle starts a diagonal too late: each position sees the next token",
    )
    + MODEL.everywhere(IS_FUTURE, "… + 1"),
    bug(
        "mask_off_by_one_past",
        "the triangle starts a diagonal too early: no position sees itself, the first nothing",
    )
    + MODEL.everywhere(IS_FUTURE, "j[None, :] >= start + i[:, None]"),
    bug("mask_wrong_axis", "rows and columns of the mask exchanged: only the future is seen")
    + MODEL.everywhere(IS_FUTURE, "j[:, None] > start + i[None, :]"),
    bug(
        "mask_ignores_cache",
        "the mask counts queries from 0 though the cache holds older keys",
        chapters=DECODING,
    )
    + MODEL.numpy(IS_FUTURE, "j[None, :] > i[:, None]")
    + MODEL.torch("is_causal=T > 1", "is_causal=True")
    + MODEL.jax(IS_FUTURE, "j[None, :] > i[:, None]"),
    bug("no_mask", "the causal mask forgotten: the model reads the answer")
    + MODEL.numpy("np.where(mask, -math.inf, scores)", "scores")
    + MODEL.torch("scores.masked_fill(mask, -math.inf)", "scores")
    + MODEL.torch("is_causal=T > 1", "is_causal=False")
    + MODEL.jax("jnp.where(mask, -jnp.inf, scores)", "scores"),
    bug(
        "fused_kernel_without_mask",
        "scaled_dot_product_attention called without is_causal: only the traced path is masked",
    )
    + MODEL.torch("is_causal=T > 1", "is_causal=False"),
    bug(
        "mask_with_zero",
        "masked scores set to 0 instead of −inf: the future keeps exp(0) of the weight",
    )
    + MODEL.eager("(mask, -math.inf", "(mask, 0.0")
    + MODEL.jax("(mask, -jnp.inf", "(mask, 0.0"),
    bug("mask_after_softmax", "the future set to 0 after the softmax: rows no longer sum to 1")
    + MODEL.numpy("np.where(mask, -math.inf, scores)", "scores")
    + MODEL.numpy("softmax(att)", "np.where(mask, 0, softmax(att))")
    + MODEL.torch("scores.masked_fill(mask, -math.inf)", "scores")
    + MODEL.torch("softmax(att, dim=-1)", "….masked_fill(mask, 0)")
    + MODEL.jax("jnp.where(mask, -jnp.inf, scores)", "scores")
    + MODEL.jax("jax.nn.softmax(att, axis=-1)", "jnp.where(mask, 0, …)"),
    bug("softmax_wrong_axis", "softmax over the queries instead of the keys")
    + MODEL.numpy("softmax(att)", "softmax(att.mT).mT")
    + MODEL.torch("softmax(att, dim=-1)", "softmax(att, dim=-2)")
    + MODEL.jax("softmax(att, axis=-1)", "softmax(att, axis=-2)"),
    bug("no_max_subtraction", "softmax by its definition: exp of a large score overflows")
    + LAYERS.numpy("np.exp(x - x.max(axis=-1, keepdims=True))", "np.exp(x)")
    + MODEL.torch(
        "functional.softmax(att, dim=-1)", "att.exp() / att.exp().sum(dim=-1, keepdim=True)"
    )
    + MODEL.jax(
        "jax.nn.softmax(att, axis=-1)", "jnp.exp(att) / jnp.exp(att).sum(axis=-1, keepdims=True)"
    ),
    bug("float32_softmax", "softmax always in float32, as jax.nn.dot_product_attention has it")
    + MODEL.numpy("softmax(att)", "softmax(att.astype(np.float32)).astype(att.dtype)")
    + MODEL.torch("(att, dim=-1)", "(att.float(), dim=-1).to(att.dtype)")
    + MODEL.jax("(att, axis=-1)", "(att.astype(jnp.float32), axis=-1).astype(att.dtype)"),
    bug(
        "heads_not_transposed",
        "heads merged by a reshape alone: channels of different positions are mixed",
    )
    + MODEL.numpy("x.swapaxes(1, 2).reshape(", "x.reshape(")
    + MODEL.torch("x.transpose(1, 2).reshape(", "x.reshape(")
    + MODEL.jax("x.swapaxes(1, 2).reshape(", "x.reshape("),
    bug(
        "heads_split_without_transpose",
        "channels cut into heads by a reshape alone: a head gets pieces of other positions",
    )
    + MODEL.numpy("(B, T, n_head, C // n_head).swapaxes(1, 2)", "(B, n_head, T, C // n_head)")
    + MODEL.torch(
        "view(B, T, n_head, C // n_head).transpose(1, 2)", "reshape(B, n_head, T, C // n_head)"
    )
    + MODEL.jax("(B, T, n_head, C // n_head).swapaxes(1, 2)", "(B, n_head, T, C // n_head)"),
    bug(
        "heads_interleaved",
        "channel c given to head c mod H instead of c div D: another model's layout",
    )
    + MODEL.everywhere("(B, T, n_head, C // n_head).", "(B, T, C // n_head, n_head).")
    + MODEL.numpy("n_head).swapaxes(1, 2)", "n_head).transpose(0, 3, 1, 2)")
    + MODEL.torch("n_head).transpose(1, 2)", "n_head).permute(0, 3, 1, 2)")
    + MODEL.jax("n_head).swapaxes(1, 2)", "n_head).transpose(0, 3, 1, 2)"),
    bug("attention_backward_without_scale", "1/√D of the forward forgotten in the backward")
    + MODEL.numpy("datt) / math.sqrt(q.shape[-1])", "datt)"),
    bug(
        "keys_gradient_not_transposed",
        "dk = dscores q instead of dscoresᵀ q: the shapes fit all the same",
    )
    + MODEL.numpy("dk = dscores.mT @ q", "dk = dscores @ q"),
    bug(
        "softmax_backward_missing_term",
        "the softmax's derivative taken as p alone, as if every score only moved its own weight",
    )
    + LAYERS.numpy('(dp - np.einsum("...s,...s->...", p, dp)[..., None])', "dp"),
    bug("values_detached", "no gradient through the values: a detach left over from debugging")
    + MODEL.torch("q, k, v, is_causal", "q, k, v.detach(), is_causal")
    + MODEL.torch("y = kept @ v", "y = kept @ v.detach()")
    + MODEL.jax("y = kept @ v", "y = kept @ jax.lax.stop_gradient(v)"),
]
