"""Sizes beyond the small ones, and objects that are used twice, side by side, or while training."""

from functools import partial

from audits.mutants.mutant import (
    BACKEND,
    BIGRAM,
    CACHE,
    COUNTS,
    DECODING,
    GENERATE,
    LIFE,
    MODEL,
    SHAPES,
    STEP,
    Mutant,
)

bug = partial(Mutant, chapters=LIFE)
ONCE = "self.once = getattr(self, 'once', None) or {}(self, config)\n        return self.once"

MUTANTS = [
    bug(
        "mean_of_means",
        "large batches in micro-batches, the mean of whose means is not the mean of all rows",
    )
    + STEP.eager("min(accumulate, len(tokens))", "max(1, len(tokens) - 4)")
    + STEP.eager("share = len(x) / len(tokens)", "share = 1 / accumulate")
    + STEP.jax(
        "    return cross_entropy(gpt(tokens), targets)\n",
        "    losses = []\n"
        "    for i in range(0, len(tokens), 8):\n"
        "        losses.append(cross_entropy(gpt(tokens[i : i + 8]), targets[i : i + 8]))\n"
        "    return jax.numpy.stack(losses).mean()\n",
    ),
    bug(
        "trained_apart",
        "the trainer has weights of its own: the model validates and samples with the first ones",
    )
    + BACKEND.jax("model.params, self.optimizer_state, ", "self.params, self.optimizer_state, ")
    + BACKEND.jax("model.params,\n            self.opt", "self.params,\n            self.opt")
    + BACKEND.jax("count = 0\n", "…        self.params = jax.tree.map(jnp.copy, model.params)\n")
    + BACKEND.jax("(self.count, self.model.weights()", "(self.count, to_numpy(self.params)")
    + BACKEND.jax("self.model.params = from_numpy(", "self.params = …"),
    bug("state_kept", "load_state keeps the arrays of the state: the next step writes into them")
    + BACKEND.numpy("np.array(state.weights", "np.asarray(state.weights")
    + BACKEND.numpy('parameter.value.dtype, order="C"', "parameter.value.dtype")
    + BACKEND.torch("from_numpy(swap_layout(key, state", "torch.…"),
    bug("state_handed_out", "state() hands out the moments themselves, which the next step changes")
    + BACKEND.numpy("{name: value.copy() for name, value in moment.items()}", "dict(moment)"),
    bug(
        "untied_head_resumed_from_wte",
        "load_state takes the head from the embedding, as if they were always tied",
    )
    + BACKEND.numpy("state.weights[key", '….replace("lm_head", "transformer.wte")')
    + BACKEND.jax(
        "        self.model.params = from_numpy(params, state.weights, device)\n",
        '        head = {"lm_head.weight": state.weights["transformer.wte.weight"]}\n'
        "        self.model.params = from_numpy(params, {**state.weights, **head}, device)\n",
    ),
    bug(
        "count_not_resumed",
        "the optimizer's own count begins again: bias corrections of the first step at the last",
    )
    + BACKEND.torch("torch.tensor(float(state.step)", "torch.tensor(0.0")
    + BACKEND.jax("count=jax.device_put(np.int32(state.step)", "count=jax.device_put(np.int32(0)")
    + BACKEND.numpy("self.optimizer.load(moments, state.step)", "self.optimizer.load(moments, 0)"),
    bug("schedule_not_resumed", "the schedule begins again after a resume")
    + BACKEND.everywhere("        self.count = state.step\n", ""),
    bug("first_state_empty", "no moments in a state before the first step")
    + BACKEND.torch('self.config.optimizer == "adamw":\n            slots', "self.count and …"),
    bug("taps_share_memory", "a trace hands out views of the same memory")
    + BACKEND.eager(".copy() for tap", " for tap"),
    bug("prompt_kept", "the prompt is read when the first token is asked for, not when it is given")
    + BACKEND.everywhere("prompt.copy()", "prompt", times=2),
    bug("ids_in_a_byte", "ids kept in eight bits: right up to 256 of them", chapters=SHAPES)
    + BACKEND.torch("np.array(ids, np.int64)", "np.array(np.array(ids, np.uint8), np.int64)")
    + BACKEND.jax("ids.astype(np.int32)", "ids.astype(np.uint8).astype(np.int32)"),
    bug(
        "positions_from_the_end",
        "a short text is given the last positions of the window",
        chapters=SHAPES,
    )
    + MODEL.everywhere(
        "positions = start + ",
        "positions = (self.config.block_size - tokens.shape[1] if cache is None else start) + ",
    ),
    bug("global_state_changed", "what all code of the process shares is set and left")
    + BACKEND.numpy("    gpt = GPT(config)\n", '    np.seterr(all="ignore")\n…')
    + BACKEND.torch("    model = TorchModel(gpt)\n", "    torch.manual_seed(0)\n…")
    + BACKEND.jax("    graphdef, params = abstract_model(config", "    np.random.seed(0)\n…"),
    bug(
        "small_counts_overflow",
        "pairs of ids counted in the integer type that they come in",
        chapters=COUNTS,
    )
    + BIGRAM.numpy(
        "    ids = ids.astype(np.int64)  # the products below overflow smaller integers\n", ""
    ),
    bug("cache_shared", "one cache for all texts of a configuration")
    + CACHE.eager("def empty_cache(", "@functools.cache\n…")
    + CACHE.numpy("import numpy as np\n", "import functools\n\n…")
    + CACHE.torch("from jaxtyping", "import functools\n\n…"),
    bug(
        "weights_of_the_beginning",
        "a text goes on with the weights that it began with, while its model is trained",
    )
    + GENERATE.eager("prompt.tolist()\n", "…    model = __import__('copy').deepcopy(model)\n")
    + GENERATE.jax("prompt.tolist()\n", "…    params = jax.tree.map(jnp.copy, model.params)\n")
    + GENERATE.jax("model.graphdef, model.params, new", "model.graphdef, params, new", times=2),
    bug(
        "second_trainer_goes_on",
        "a model keeps its trainer: the next training begins with the moments of the last one",
    )
    + BACKEND.numpy("return NumpyTrainer(self, config)", ONCE.format("NumpyTrainer"))
    + BACKEND.torch("return TorchTrainer(self, config)", ONCE.format("TorchTrainer"))
    + BACKEND.jax("return JaxTrainer(self, config)", ONCE.format("JaxTrainer")),
    bug(
        "one_model_for_all",
        "a model is kept and filled again: building another one changes the first",
    )
    + BACKEND.numpy("gpt = GPT(config)", "gpt = KEPT.setdefault(config, GPT(config))")
    + BACKEND.numpy('name = "numpy"\n', "…KEPT = {}\n"),
    bug("double_by_default", "float64 where no precision is asked for")
    + BACKEND.everywhere('dtype: str = "float32"', 'dtype: str = "float64"'),
    bug(
        "small_ids_not_widened",
        "ids used in the integer type that they come in",
        chapters=COUNTS,
    )
    + BIGRAM.torch("np.array(tokens, np.int64)", "np.array(tokens)")
    + BIGRAM.jax("each.astype(np.int32)", "each"),
    bug(
        "drawn_in_float32",
        "tokens drawn in the precision of the model: backends part where a number is near an edge",
        chapters=DECODING,
    )
    + GENERATE.numpy("logits.astype(np.float64)", "logits.astype(np.float32)")
    + GENERATE.torch("logits.double()", "logits.float()")
    + GENERATE.jax("logits.astype(jnp.float64)", "logits.astype(jnp.float32)"),
]
