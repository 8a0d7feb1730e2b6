"""The cache, the window and the drawing of tokens."""

from functools import partial

from audits.mutants.mutant import BACKEND, CACHE, DECODING, GENERATE, LONG_TEXTS, MODEL, Mutant

bug = partial(Mutant, chapters=DECODING)

MUTANTS = [
    bug("cache_position_off_by_one", "a new token written over the last one's place in the cache")
    + GENERATE.eager("    for position in", "    for past in cache:\n        past.length -= 1\n…")
    + GENERATE.jax("cache, position,", "cache, position - 1,"),
    bug("cache_not_cut", "the cache goes on being used when the window is full")
    + GENERATE.everywhere("if len(tokens) <= block_size:", "if True:"),
    bug("window_not_slid", "the first block_size tokens, for ever")
    + GENERATE.numpy("[-block_size:]]), only", "[:block_size]]), only")
    + GENERATE.torch("[-block_size:]], device=device))", "[:block_size]], device=device))")
    + GENERATE.jax("[tokens[-block_size:]]", "[tokens[:block_size]]"),
    bug("window_one_short", "the window loses a token each time: room left for the next one")
    + GENERATE.numpy("[-block_size:]]), only", "[1 - block_size :]]), only")
    + GENERATE.torch("[-block_size:]], device=device))", "[1 - block_size :]], device=device))")
    + GENERATE.jax("[tokens[-block_size:]]", "[tokens[1 - block_size :]]"),
    bug("cache_written_in_keys_only", "the values' cache gets the keys")
    + CACHE.eager("self.v[:, :, start : self.length] = v", "self.v[:, :, start : self.length] = k")
    + CACHE.jax("(self.v, v, self.length", "(self.v, k, self.length"),
    bug("temperature_multiplied", "logits times the temperature instead of divided by it")
    + GENERATE.eager("/ config.temperature", "* config.temperature")
    + GENERATE.jax("/ temperature", "* temperature"),
    bug("temperature_after_softmax", "the temperature applied to probabilities: it cancels")
    + GENERATE.numpy("np.float64) / config.temperature)", "np.float64)) / config.temperature")
    + GENERATE.torch("() / config.temperature, dim=-1)", "(), dim=-1) / config.temperature")
    + GENERATE.jax("(gaps / temperature, -1e4))", "(gaps, -1e4)) / temperature"),
    bug("top_k_off_by_one", "one token too many stays")
    + GENERATE.eager("ranked[config.top_k :] = 0", "ranked[config.top_k + 1 :] = 0")
    + GENERATE.jax("jnp.arange(p.shape[0]) < top_k", "jnp.arange(p.shape[0]) <= top_k"),
    bug("top_p_drops_first", "the token that crosses p dropped: of a sure token nothing stays")
    + GENERATE.numpy("np.cumsum(ranked) - ranked", "np.cumsum(ranked)")
    + GENERATE.torch("ranked.cumsum(dim=-1) - ranked", "ranked.cumsum(dim=-1)")
    + GENERATE.jax("jnp.cumsum(ranked) - ranked", "jnp.cumsum(ranked)"),
    bug(
        "top_p_before_renormalising",
        "top-p measured on what top-k left, without making it a distribution again",
    )
    + GENERATE.eager("        ranked /= ranked.sum()\n", "")
    + GENERATE.jax("    ranked = ranked / ranked.sum()\n", ""),
    bug("ranks_not_put_back", "a rank returned as if it were a token's id")
    + GENERATE.numpy("p[order] = ranked", "p = ranked")
    + GENERATE.torch("torch.empty_like(p).scatter_(0, order, ranked)", "ranked")
    + GENERATE.jax("p.at[order].set(ranked)", "ranked"),
    bug("seed_ignored", "every seed writes the same text")
    + GENERATE.everywhere("uniform(config.seed, position)", "uniform(0, position)"),
    bug(
        "draws_counted_from_prompt",
        "the n-th draw after the prompt instead of the draw of position n",
    )
    + GENERATE.everywhere("(config.seed, position)", "(config.seed, position - len(prompt))"),
    bug("one_token_too_many", "the first token, from the prompt's own logits, not counted")
    + GENERATE.everywhere("len(prompt) + config.max_new_tokens", "… + 1"),
    bug("text_all_at_once", "the whole text computed before its first token is handed out")
    + BACKEND.eager("generate(self.gpt, prompt.copy(), config)", "iter(list(…))"),
    bug(
        "last_of_padded_window",
        "the first logits read behind the padding instead of at the last token",
    )
    + GENERATE.jax("only=seen - 1", "only=-1"),
    bug("first_position_scored", "a token drawn from the scores of the window's first position")
    + MODEL.everywhere("x = x[:, only, None]", "x = x[:, 0, None]"),
    bug(
        "cache_not_widened",
        "a cache that is full is written at its end, over and over",
        chapters=LONG_TEXTS,
    )
    + GENERATE.jax("cache = [past.widen(size) for past in cache]\n", "pass\n"),
    bug(
        "cache_widened_in_front",
        "the new places stand before the past",
        chapters=LONG_TEXTS,
    )
    + CACHE.jax("(0, size - self.k.shape[2]), (0, 0)", "(size - self.k.shape[2], 0), (0, 0)"),
]
