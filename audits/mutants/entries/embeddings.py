"""Tokens, positions and the tied head."""

from audits.mutants.mutant import DECODING, LAYERS, MODEL, Mutant

bug = Mutant
EMBED = "self.wte(tokens) + self.wpe(positions)"
TABLE_TORCH = "nn.Embedding(config.vocab_size, config.n_embd"

MUTANTS = [
    bug("position_off_by_one", "positions counted from −1: the first two share a row")
    + MODEL.numpy("start + np.arange(tokens.shape[1])", "np.maximum(… - 1, 0)")
    + MODEL.torch(
        "start + torch.arange(tokens.shape[1], device=tokens.device)",
        "(start + torch.arange(tokens.shape[1]) - 1).clamp(min=0)",
    )
    + MODEL.jax("start + jnp.arange(tokens.shape[1])", "jnp.maximum(… - 1, 0)"),
    bug(
        "position_ignores_cache",
        "with a cache every new token stands at position 0",
        chapters=DECODING,
    )
    + MODEL.everywhere("positions = start + ", "positions = "),
    bug("position_not_added", "positions left out: the model sees a bag of tokens")
    + MODEL.everywhere(EMBED, "self.wte(tokens)"),
    bug(
        "embedding_scaled",
        "token embeddings multiplied by √C, as in the original paper and not in GPT",
    )
    + MODEL.everywhere(EMBED, "math.sqrt(self.config.n_embd) * …")
    + MODEL.numpy("self.wte.backward(dx)", "self.wte.backward(math.sqrt(self.config.n_embd) * dx)"),
    bug("sin_cos_swapped", "cosines on the even channels, sines on the odd")
    + MODEL.numpy("[np.sin(angle), np.cos(angle)]", "[np.cos(angle), np.sin(angle)]")
    + MODEL.torch("[angle.sin(), angle.cos()]", "[angle.cos(), angle.sin()]")
    + MODEL.jax("[jnp.sin(angle), jnp.cos(angle)]", "[jnp.cos(angle), jnp.sin(angle)]"),
    bug("sin_cos_in_halves", "all sines, then all cosines: another library's layout")
    + MODEL.numpy("stack([np.sin(angle)", "concatenate([np.sin(angle)")
    + MODEL.torch("stack([angle.sin()", "cat([angle.sin()")
    + MODEL.jax("stack([jnp.sin(angle)", "concatenate([jnp.sin(angle)"),
    bug("wavelengths_twice", "the exponent's 2i doubled although c counts in steps of two already")
    + MODEL.everywhere("10000.0 ** (c / ", "10000.0 ** (2 * c / "),
    bug(
        "embedding_grad_loses_repeats",
        "grad[ids] += dy keeps one of several equal ids (torch: scale_grad_by_freq averages them)",
    )
    + LAYERS.numpy("grad[unique] = np.add.reduceat(dy[order], starts, axis=0)", "grad[ids] += dy")
    + MODEL.torch(TABLE_TORCH, "…, scale_grad_by_freq=True"),
    bug("padding_id_not_trained", "id 0 taken for padding: its embedding gets no gradient")
    + MODEL.torch(TABLE_TORCH, "…, padding_idx=0"),
    bug(
        "position_grad_averaged",
        "the gradient of a position averaged over the batch instead of summed",
    )
    + MODEL.numpy("self.wpe.backward(dx.sum(axis=0))", "self.wpe.backward(dx.mean(axis=0))"),
    bug("tied_grad_forgets_one", "a tied table gets the gradient of one of its two uses")
    + LAYERS.numpy("= grad if self.grad is None else self.grad + grad", "= grad")
    + MODEL.torch(
        "return self.lm_head(x)",
        "weight = self.lm_head.weight\n"
        "        weight = weight.detach() if self.config.tie_weights else weight\n"
        "        return functional.linear(x, weight)",
    )
    + MODEL.jax("self.wte.attend(x)", "x @ jax.lax.stop_gradient(self.wte.embedding[...]).T"),
]
