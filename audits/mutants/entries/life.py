"""Sizes beyond the small ones, and objects that are used twice, side by side, or while training."""

from audits.mutants.mutant import DECODING, LIFE, SHAPES, Edit, Mutant

BACKEND, STEP, GENERATE, CACHE = "backend.py", "step.py", "generate.py", "cache.py"
PARAMS = "        model.params, self.optimizer_state, loss"
BUILD = {
    "numpy": "    gpt = GPT(config)\n    gpt.astype",
    "torch": "    model = TorchModel(gpt)\n",
    "jax": "    graphdef, params = abstract_model(config, dtype)\n",
}
POSITIONS = {
    "numpy": "positions = start + np.arange(tokens.shape[1])",
    "torch": "positions = start + torch.arange(tokens.shape[1], device=tokens.device)",
    "jax": "positions = start + jnp.arange(tokens.shape[1])",
}
TRAINERS = {"numpy": "NumpyTrainer", "torch": "TorchTrainer", "jax": "JaxTrainer"}
LAST = "self.config.block_size - tokens.shape[1] if cache is None else start"


def of(name: str, story: str, **edits: Edit | tuple[Edit, ...]) -> Mutant:
    return Mutant.of(name, story, LIFE, **edits)


def build(**lines: str) -> dict[str, Edit]:
    """A line at the start of `build`."""
    return {
        backend: Edit(BACKEND, BUILD[backend], f"    {line}\n{BUILD[backend]}")
        for backend, line in lines.items()
    }


MUTANTS = [
    of(
        "mean_of_means",
        "micro-batches of 8, the mean of whose means is not the mean of twelve rows",
        numpy=Edit(
            STEP,
            "    logits = gpt(tokens)\n"
            "    gpt.backward(cross_entropy_backward(logits, targets))\n"
            "    return float(cross_entropy(logits, targets))\n",
            "    losses = []\n"
            "    for i in range(0, len(tokens), 8):\n"
            "        logits = gpt(tokens[i : i + 8])\n"
            "        gpt.backward(cross_entropy_backward(logits, targets[i : i + 8]))\n"
            "        losses.append(float(cross_entropy(logits, targets[i : i + 8])))\n"
            "    for _, parameter in gpt.named_parameters():\n"
            "        parameter.grad /= len(losses)\n"
            "    return sum(losses) / len(losses)\n",
        ),
        torch=Edit(
            STEP,
            "    loss = cross_entropy(gpt(tokens), targets)\n",
            "    losses = []\n"
            "    for i in range(0, len(tokens), 8):\n"
            "        losses.append(cross_entropy(gpt(tokens[i : i + 8]), targets[i : i + 8]))\n"
            "    loss = torch.stack(losses).mean()\n",
        ),
        jax=Edit(
            STEP,
            "    return cross_entropy(nnx.merge(graphdef, params)(tokens), targets)\n",
            "    model = nnx.merge(graphdef, params)\n"
            "    losses = []\n"
            "    for i in range(0, len(tokens), 8):\n"
            "        losses.append(cross_entropy(model(tokens[i : i + 8]), targets[i : i + 8]))\n"
            "    return jax.numpy.stack(losses).mean()\n",
        ),
    ),
    of(
        "trained_apart",
        "the trainer has weights of its own: the model validates and samples with the first ones",
        jax=(
            Edit(BACKEND, PARAMS, PARAMS.replace("model.params", "self.params")),
            Edit(
                BACKEND,
                "            model.params,\n            self.opt",
                "            self.params,\n            self.opt",
            ),
            Edit(
                BACKEND,
                "        self.count = 0\n",
                "        self.count = 0\n"
                "        self.params = jax.tree.map(jnp.copy, model.params)\n",
            ),
            Edit(
                BACKEND,
                "TrainState(self.count, self.model.weights(), moments)",
                "TrainState(self.count, to_numpy(self.params), moments)",
            ),
            Edit(
                BACKEND,
                "        self.model.params = from_numpy(",
                "        self.params = self.model.params = from_numpy(",
            ),
        ),
    ),
    of(
        "state_kept",
        "load_state keeps the arrays of the state: the next step writes into them",
        numpy=Edit(
            BACKEND,
            'np.array(state.weights[key], dtype=parameter.value.dtype, order="C")',
            "np.asarray(state.weights[key], dtype=parameter.value.dtype)",
        ),
        torch=Edit(
            BACKEND,
            "value = from_numpy(swap_layout(key, state.moments[letter][key]))",
            "value = torch.from_numpy(swap_layout(key, state.moments[letter][key]))",
        ),
    ),
    of(
        "state_handed_out",
        "state() hands out the moments themselves, which the next step changes",
        numpy=Edit(
            BACKEND,
            "{name: value.copy() for name, value in moment.items()}",
            "dict(moment)",
        ),
    ),
    of(
        "untied_head_resumed_from_wte",
        "load_state takes the head from the embedding, as if they were always tied",
        numpy=Edit(
            BACKEND,
            "np.array(state.weights[key], dtype",
            'np.array(state.weights[key.replace("lm_head", "transformer.wte")], dtype',
        ),
        jax=Edit(
            BACKEND,
            "        self.model.params = from_numpy(params, state.weights, device)\n",
            '        head = {"lm_head.weight": state.weights["transformer.wte.weight"]}\n'
            "        self.model.params = from_numpy(params, {**state.weights, **head}, device)\n",
        ),
    ),
    of(
        "count_not_resumed",
        "the optimizer's own count begins again: bias corrections of the first step at the last",
        torch=Edit(BACKEND, "torch.tensor(float(state.step)", "torch.tensor(0.0"),
        jax=Edit(
            BACKEND, "count=jax.device_put(np.int32(state.step)", "count=jax.device_put(np.int32(0)"
        ),
        numpy=Edit(
            BACKEND, "self.optimizer.load(moments, state.step)", "self.optimizer.load(moments, 0)"
        ),
    ),
    of(
        "schedule_not_resumed",
        "the schedule begins again after a resume",
        everywhere=Edit(BACKEND, "        self.count = state.step\n", ""),
    ),
    of(
        "first_state_empty",
        "no moments in a state before the first step",
        torch=Edit(
            BACKEND,
            'if self.config.optimizer == "adamw":\n            slots = self.optimizer.state',
            'if self.count and self.config.optimizer == "adamw":\n'
            "            slots = self.optimizer.state",
        ),
    ),
    of(
        "taps_share_memory",
        "a trace hands out views of the same memory",
        numpy=Edit(BACKEND, "{tap: value.copy() for tap", "{tap: value for tap"),
        torch=Edit(BACKEND, "value.cpu().numpy().copy() for tap", "value.cpu().numpy() for tap"),
    ),
    of(
        "prompt_kept",
        "the prompt is read when the first token is asked for, not when it is given",
        everywhere=Edit(BACKEND, "prompt.copy()", "prompt", times=2),
    ),
    Mutant.of(
        "ids_in_a_byte",
        "ids kept in eight bits: right up to 256 of them",
        SHAPES,
        torch=Edit(
            BACKEND, "np.array(ids, np.int64)", "np.array(np.array(ids, np.uint8), np.int64)"
        ),
        jax=Edit(BACKEND, "ids.astype(np.int32)", "ids.astype(np.uint8).astype(np.int32)"),
    ),
    Mutant.of(
        "positions_from_the_end",
        "a short text is given the last positions of the window",
        SHAPES,
        **{
            backend: Edit("model.py", line, line.replace("start", f"({LAST})", 1))
            for backend, line in POSITIONS.items()
        },
    ),
    of(
        "global_state_changed",
        "what all code of the process shares is set and left",
        **build(
            numpy='np.seterr(all="ignore")',
            torch="torch.manual_seed(0)",
            jax="np.random.seed(0)",
        ),
    ),
    Mutant.of(
        "small_counts_overflow",
        "pairs of ids counted in the integer type that they come in",
        ("test_bigram",),
        numpy=Edit(
            "bigram.py",
            "    ids = ids.astype(np.int64)  # the products below overflow smaller integers\n",
            "",
        ),
    ),
    of(
        "cache_shared",
        "one cache for all texts of a configuration",
        numpy=(
            Edit(CACHE, "def empty_cache(", "@functools.cache\ndef empty_cache("),
            Edit(CACHE, "import numpy as np\n", "import functools\n\nimport numpy as np\n"),
        ),
        torch=(
            Edit(CACHE, "def empty_cache(", "@functools.cache\ndef empty_cache("),
            Edit(CACHE, "from jaxtyping", "import functools\n\nfrom jaxtyping"),
        ),
    ),
    of(
        "weights_of_the_beginning",
        "a text goes on with the weights that it began with, while its model is trained",
        numpy=Edit(
            GENERATE,
            "    tokens = prompt.tolist()\n",
            "    tokens = prompt.tolist()\n    model = __import__('copy').deepcopy(model)\n",
        ),
        torch=Edit(
            GENERATE,
            "    tokens = prompt.tolist()\n",
            "    tokens = prompt.tolist()\n    model = __import__('copy').deepcopy(model)\n",
        ),
        jax=(
            Edit(
                GENERATE,
                "    tokens = prompt.tolist()\n",
                "    tokens = prompt.tolist()\n    params = jax.tree.map(jnp.copy, model.params)\n",
            ),
            Edit(
                GENERATE,
                "model.graphdef, model.params, new",
                "model.graphdef, params, new",
                times=2,
            ),
        ),
    ),
    of(
        "second_trainer_goes_on",
        "a model keeps its trainer: the next training begins with the moments of the last one",
        **{
            backend: Edit(
                BACKEND,
                f"return {trainer}(self, config)",
                f"self.once = getattr(self, 'once', None) or {trainer}(self, config)\n"
                "        return self.once",
            )
            for backend, trainer in TRAINERS.items()
        },
    ),
    of(
        "one_model_for_all",
        "a model is kept and filled again: building another one changes the first",
        numpy=(
            Edit(BACKEND, "gpt = GPT(config)", "gpt = KEPT.setdefault(config, GPT(config))"),
            Edit(BACKEND, 'name = "numpy"\n', 'name = "numpy"\nKEPT = {}\n'),
        ),
    ),
    of(
        "double_by_default",
        "float64 where no precision is asked for",
        everywhere=Edit(BACKEND, 'dtype: str = "float32"', 'dtype: str = "float64"'),
    ),
    Mutant.of(
        "small_ids_not_widened",
        "ids used in the integer type that they come in",
        ("test_bigram",),
        torch=Edit("bigram.py", "np.array(tokens, np.int64)", "np.array(tokens)"),
        jax=Edit("bigram.py", "each.astype(np.int32)", "each"),
    ),
    Mutant.of(
        "drawn_in_float32",
        "tokens drawn in the precision of the model: backends part where a number is near an edge",
        DECODING,
        numpy=Edit(GENERATE, "logits.astype(np.float64)", "logits.astype(np.float32)"),
        torch=Edit(GENERATE, "logits.double()", "logits.float()"),
        jax=Edit(GENERATE, "logits.astype(jnp.float64)", "logits.astype(jnp.float32)"),
    ),
]
