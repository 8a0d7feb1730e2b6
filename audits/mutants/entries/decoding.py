"""The cache, the window and the drawing of tokens."""

from audits.mutants.mutant import DECODING, Edit, Mutant

FILE, CACHE = "generate.py", "cache.py"
FIRST = "    for position in range("
ONE_BACK = f"    for past in cache:\n        past.length -= 1\n{FIRST}"
VALUES = "self.v[:, :, start : self.length] = "
INSIDE = "if len(tokens) <= block_size:"
TOP_K = {
    "numpy": "ranked[config.top_k :] = 0",
    "torch": "ranked[config.top_k :] = 0",
    "jax": "jnp.arange(p.shape[0]) < top_k",
}
DRAW = "uniform(config.seed, position)"
COUNT = "len(prompt) + config.max_new_tokens"
SLIDE = {
    "numpy": "model(np.array([tokens[-block_size:]]))",
    "torch": "forward(model, torch.tensor([tokens[-block_size:]], device=device))",
    "jax": "np.array([tokens[-block_size:]], np.int32)",
}


def of(name: str, story: str, **edits: Edit | tuple[Edit, ...]) -> Mutant:
    return Mutant.of(name, story, DECODING, **edits)


def window(cut: str) -> dict[str, Edit]:
    return {
        backend: Edit(FILE, old, old.replace("tokens[-block_size:]", cut))
        for backend, old in SLIDE.items()
    }


MUTANTS = [
    of(
        "cache_position_off_by_one",
        "a new token written over the last one's place in the cache",
        numpy=Edit(FILE, FIRST, ONE_BACK),
        torch=Edit(FILE, FIRST, ONE_BACK),
        jax=Edit(FILE, "cache, position)", "cache, position - 1)"),
    ),
    of(
        "cache_not_cut",
        "the cache goes on being used when the window is full",
        everywhere=Edit(FILE, INSIDE, "if True:"),
    ),
    of("window_not_slid", "the first block_size tokens, for ever", **window("tokens[:block_size]")),
    of(
        "window_one_short",
        "the window loses a token each time: room left for the next one",
        **window("tokens[1 - block_size :]"),
    ),
    of(
        "cache_written_in_keys_only",
        "the values' cache gets the keys",
        numpy=Edit(CACHE, f"{VALUES}v", f"{VALUES}k"),
        torch=Edit(CACHE, f"{VALUES}v", f"{VALUES}k"),
        jax=Edit(CACHE, "(self.v, v, self.length", "(self.v, k, self.length"),
    ),
    of(
        "temperature_multiplied",
        "logits times the temperature instead of divided by it",
        numpy=Edit(FILE, "/ config.temperature", "* config.temperature"),
        torch=Edit(FILE, "/ config.temperature", "* config.temperature"),
        jax=Edit(FILE, "/ temperature", "* temperature"),
    ),
    of(
        "temperature_after_softmax",
        "the temperature applied to probabilities: it cancels",
        numpy=Edit(
            FILE,
            "softmax(logits.astype(np.float64) / config.temperature)",
            "softmax(logits.astype(np.float64)) / config.temperature",
        ),
        torch=Edit(
            FILE,
            "softmax(logits.double() / config.temperature, dim=-1)",
            "softmax(logits.double(), dim=-1) / config.temperature",
        ),
        jax=Edit(
            FILE,
            "softmax(jnp.maximum(gaps / temperature, -1e4))",
            "softmax(jnp.maximum(gaps, -1e4)) / temperature",
        ),
    ),
    of(
        "top_k_off_by_one",
        "one token too many stays",
        numpy=Edit(FILE, TOP_K["numpy"], "ranked[config.top_k + 1 :] = 0"),
        torch=Edit(FILE, TOP_K["torch"], "ranked[config.top_k + 1 :] = 0"),
        jax=Edit(FILE, TOP_K["jax"], TOP_K["jax"].replace("<", "<=")),
    ),
    of(
        "top_p_drops_first",
        "the token that crosses p dropped: of a sure token nothing stays",
        numpy=Edit(FILE, "np.cumsum(ranked) - ranked", "np.cumsum(ranked)"),
        torch=Edit(FILE, "ranked.cumsum(dim=-1) - ranked", "ranked.cumsum(dim=-1)"),
        jax=Edit(FILE, "jnp.cumsum(ranked) - ranked", "jnp.cumsum(ranked)"),
    ),
    of(
        "top_p_before_renormalising",
        "top-p measured on what top-k left, without making it a distribution again",
        numpy=Edit(FILE, "        ranked /= ranked.sum()\n", ""),
        torch=Edit(FILE, "        ranked /= ranked.sum()\n", ""),
        jax=Edit(FILE, "    ranked = ranked / ranked.sum()\n", ""),
    ),
    of(
        "ranks_not_put_back",
        "a rank returned as if it were a token's id",
        numpy=Edit(FILE, "p[order] = ranked", "p = ranked"),
        torch=Edit(FILE, "torch.empty_like(p).scatter_(0, order, ranked)", "ranked"),
        jax=Edit(FILE, "p.at[order].set(ranked)", "ranked"),
    ),
    of(
        "seed_ignored",
        "every seed writes the same text",
        everywhere=Edit(FILE, DRAW, "uniform(0, position)"),
    ),
    of(
        "draws_counted_from_prompt",
        "the n-th draw after the prompt instead of the draw of position n",
        everywhere=Edit(FILE, DRAW, "uniform(config.seed, position - len(prompt))"),
    ),
    of(
        "one_token_too_many",
        "the first token, from the prompt's own logits, not counted",
        everywhere=Edit(FILE, COUNT, f"{COUNT} + 1"),
    ),
    of(
        "text_all_at_once",
        "the whole text computed before its first token is handed out",
        numpy=Edit(
            "backend.py",
            "return generate(self.gpt, prompt.copy(), config)",
            "return iter(list(generate(self.gpt, prompt.copy(), config)))",
        ),
        torch=Edit(
            "backend.py",
            "return generate(self.gpt, prompt.copy(), config)",
            "return iter(list(generate(self.gpt, prompt.copy(), config)))",
        ),
    ),
    of(
        "last_of_padded_window",
        "the first logits read behind the padding instead of at the last token",
        jax=Edit(FILE, "logits[0, seen - 1]", "logits[0, -1]"),
    ),
]
