"""Tokens, positions and the tied head."""

from audits.mutants.mutant import DECODING, Edit, Mutant

MODEL = "model.py"
POSITIONS = {
    "numpy": "positions = start + np.arange(tokens.shape[1])",
    "torch": "positions = start + torch.arange(tokens.shape[1], device=tokens.device)",
    "jax": "positions = start + jnp.arange(tokens.shape[1])",
}
PAIRS = {
    "numpy": "np.stack([np.sin(angle), np.cos(angle)], axis=-1)",
    "torch": "torch.stack([angle.sin(), angle.cos()], dim=-1)",
    "jax": "jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)",
}
WAVELENGTH = {
    "numpy": "(c / config.n_embd)",
    "torch": "(c / config.n_embd)",
    "jax": "(c / self.n_embd)",
}
EMBED = "self.wte(tokens) + self.wpe(positions)"


def positions(**new: str) -> dict[str, Edit]:
    return {backend: Edit(MODEL, POSITIONS[backend], text) for backend, text in new.items()}


MUTANTS = [
    Mutant.of(
        "position_off_by_one",
        "positions counted from −1: the first two share a row",
        **positions(
            numpy="positions = np.maximum(start + np.arange(tokens.shape[1]) - 1, 0)",
            torch="positions = (start + torch.arange(tokens.shape[1]) - 1).clamp(min=0)",
            jax="positions = jnp.maximum(start + jnp.arange(tokens.shape[1]) - 1, 0)",
        ),
    ),
    Mutant.of(
        "position_ignores_cache",
        "with a cache every new token stands at position 0",
        DECODING,
        **{name: Edit(MODEL, old, old.replace("start + ", "")) for name, old in POSITIONS.items()},
    ),
    Mutant.of(
        "position_not_added",
        "positions left out: the model sees a bag of tokens",
        everywhere=Edit(MODEL, EMBED, "self.wte(tokens)"),
    ),
    Mutant.of(
        "embedding_scaled",
        "token embeddings multiplied by √C, as in the original paper and not in GPT",
        numpy=(
            Edit(MODEL, EMBED, f"math.sqrt(self.config.n_embd) * {EMBED}"),
            Edit(
                MODEL,
                "self.wte.backward(dx)",
                "self.wte.backward(math.sqrt(self.config.n_embd) * dx)",
            ),
        ),
        torch=Edit(MODEL, EMBED, f"math.sqrt(self.config.n_embd) * {EMBED}"),
        jax=Edit(MODEL, EMBED, f"math.sqrt(self.config.n_embd) * {EMBED}"),
    ),
    Mutant.of(
        "sin_cos_swapped",
        "cosines on the even channels, sines on the odd",
        numpy=Edit(MODEL, PAIRS["numpy"], "np.stack([np.cos(angle), np.sin(angle)], axis=-1)"),
        torch=Edit(MODEL, PAIRS["torch"], "torch.stack([angle.cos(), angle.sin()], dim=-1)"),
        jax=Edit(MODEL, PAIRS["jax"], "jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)"),
    ),
    Mutant.of(
        "sin_cos_in_halves",
        "all sines, then all cosines: another library's layout",
        numpy=Edit(
            MODEL, PAIRS["numpy"], "np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)"
        ),
        torch=Edit(MODEL, PAIRS["torch"], "torch.cat([angle.sin(), angle.cos()], dim=-1)"),
        jax=Edit(MODEL, PAIRS["jax"], "jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)"),
    ),
    Mutant.of(
        "wavelengths_twice",
        "the exponent's 2i doubled although c counts in steps of two already",
        **{
            backend: Edit(MODEL, f"10000.0 ** {old}", f"10000.0 ** {old.replace('(c', '(2 * c')}")
            for backend, old in WAVELENGTH.items()
        },
    ),
    Mutant.of(
        "embedding_grad_loses_repeats",
        "grad[ids] += dy keeps one of several equal ids (torch: scale_grad_by_freq averages them)",
        numpy=Edit(
            "nn.py",
            "grad[unique] = np.add.reduceat(dy[order], starts, axis=0)",
            "grad[ids] += dy",
        ),
        torch=Edit(
            MODEL,
            "nn.Embedding(config.vocab_size, config.n_embd)",
            "nn.Embedding(config.vocab_size, config.n_embd, scale_grad_by_freq=True)",
        ),
    ),
    Mutant.of(
        "padding_id_not_trained",
        "id 0 taken for padding: its embedding gets no gradient",
        torch=Edit(
            MODEL,
            "nn.Embedding(config.vocab_size, config.n_embd)",
            "nn.Embedding(config.vocab_size, config.n_embd, padding_idx=0)",
        ),
    ),
    Mutant.of(
        "position_grad_averaged",
        "the gradient of a position averaged over the batch instead of summed",
        numpy=Edit(
            MODEL, "self.wpe.backward(dx.sum(axis=0))", "self.wpe.backward(dx.mean(axis=0))"
        ),
    ),
    Mutant.of(
        "tied_grad_forgets_one",
        "a tied table gets the gradient of one of its two uses",
        numpy=Edit(
            "nn.py",
            "self.grad = grad if self.grad is None else self.grad + grad",
            "self.grad = grad",
        ),
        torch=Edit(
            MODEL,
            "return self.lm_head(x)",
            "weight = self.lm_head.weight\n"
            "        weight = weight.detach() if self.config.tie_weights else weight\n"
            "        return functional.linear(x, weight)",
        ),
        jax=Edit(
            MODEL, "self.wte.attend(x)", "x @ jax.lax.stop_gradient(self.wte.embedding[...]).T"
        ),
    ),
]
