"""Weights on their way in and out, precisions, and input validation."""

from audits.mutants.mutant import ADAPTER, FORWARD, Edit, Mutant

FILE = "backend.py"
LOAD_NUMPY = "parameter.value[...] = weights[key]"
LOAD_TORCH = "swap_layout(key, weights[key])"
LAYOUT_TORCH = '".c_proj.weight")'
CHECK = "        check_tokens(self.config, tokens)\n"
CHECK_BOTH = "        check_tokens(self.config, tokens, targets)\n"
CHECK_STEP = "        check_tokens(self.model.config, tokens, targets)\n"
STEPS_BEFORE = "learning_rate(self.config, self.count - 1)"
IDS = "        ids = one_type(tokens), one_type(targets)\n"
LOGITS = (
    "def logits(self, tokens: np.ndarray) -> np.ndarray:\n"
    "        check_tokens(self.config, tokens)\n"
)


def of(name: str, story: str, **edits: Edit | tuple[Edit, ...]) -> Mutant:
    return Mutant.of(name, story, ADAPTER, **edits)


MUTANTS = [
    Mutant.of(
        "transposed_weight",
        "a square matrix loaded transposed, and handed out transposed back: no shape tells",
        FORWARD,
        numpy=(
            Edit(
                FILE,
                LOAD_NUMPY,
                f'{LOAD_NUMPY}.T if "attn.c_proj.w" in key else weights[key]',
            ),
            Edit(
                FILE,
                "{key: parameter.value.copy() for key, parameter in self.parameters.items()}",
                '{key: (p.value.T if "attn.c_proj.w" in key else p.value).copy()\n'
                "                for key, p in self.parameters.items()}",
            ),
        ),
        torch=Edit(FILE, LAYOUT_TORCH, '".mlp.c_proj.weight")'),
        jax=Edit(
            FILE,
            'key == "lm_head.weight" else',
            'key.endswith(("lm_head.weight", "attn.c_proj.weight")) else',
        ),
    ),
    of(
        "weights_aliased",
        "the caller's arrays used instead of copied",
        numpy=Edit(FILE, LOAD_NUMPY, "parameter.value = np.asarray(weights[key], dtype=dtype)"),
        torch=Edit(
            FILE,
            f"parameter.copy_(from_numpy({LOAD_TORCH}))",
            f"parameter.data = torch.from_numpy({LOAD_TORCH}).to(parameter.dtype)",
        ),
    ),
    Mutant.of(
        "weights_handed_out",
        "the model's own arrays handed out instead of copies",
        (*ADAPTER, "test_life"),
        numpy=Edit(FILE, "parameter.value.copy()", "parameter.value"),
        torch=Edit(
            FILE,
            'np.array(swap_layout(key, tensor.detach().cpu().numpy()), order="C")',
            "swap_layout(key, tensor.detach().cpu().numpy())",
        ),
        jax=Edit(
            FILE,
            'np.array(swap_layout(key, np.asarray(array)), order="C")',
            "swap_layout(key, np.asarray(array))",
        ),
    ),
    of(
        "tied_head_handed_out",
        "a tied lm_head handed out a second time, under its own name",
        numpy=Edit(
            FILE,
            "parameter.value.copy() for key, parameter in self.parameters.items()}",
            "parameter.value.copy() for key, parameter in self.parameters.items()} | {\n"
            '            "lm_head.weight": self.gpt.lm_head.value.copy()}',
        ),
        torch=Edit(
            FILE,
            "        return to_numpy(self.parameters)\n",
            '        head = {"lm_head.weight": self.gpt.lm_head.weight}\n'
            "        return to_numpy(self.parameters | head)\n",
        ),
        jax=Edit(
            FILE,
            "        return to_numpy(self.params)\n",
            "        found = to_numpy(self.params)\n"
            '        head = found.get("lm_head.weight", found["transformer.wte.weight"]).copy()\n'
            '        return found | {"lm_head.weight": head}\n',
        ),
    ),
    of(
        "weights_rounded",
        "weights pass through float32 on their way in",
        numpy=Edit(FILE, LOAD_NUMPY, f"{LOAD_NUMPY}.astype('f4')"),
        torch=Edit(
            FILE, f"copy_(from_numpy({LOAD_TORCH}", f"copy_(from_numpy({LOAD_TORCH}.astype('f4')"
        ),
        jax=Edit(FILE, "arrays[key]), dtype=", "arrays[key]).astype(np.float32), dtype="),
    ),
    of(
        "float32_inside",
        "the model built in float32 whatever was asked for",
        numpy=Edit(FILE, LOAD_NUMPY, "parameter.value = np.array(weights[key], dtype='f4')"),
        torch=Edit(FILE, "dtype=getattr(torch, dtype))", "dtype=torch.float32)"),
        jax=Edit(FILE, "GPT(config, jnp.dtype(dtype),", "GPT(config, jnp.dtype('float32'),"),
    ),
    of(
        "tokens_not_checked",
        "ids out of range let in: an exception here, a clamp or NaN there",
        everywhere=Edit(FILE, LOGITS, LOGITS.split("\n")[0] + "\n"),
    ),
    of(
        "targets_not_checked",
        "targets let in unseen",
        everywhere=Edit(
            FILE,
            "check_tokens(self.config, tokens, targets)",
            "check_tokens(self.config, tokens)",
            times=2,
        ),
    ),
    Mutant.of(
        "prompt_not_checked",
        "an empty prompt, or an unknown id in it, let in",
        (*ADAPTER, "test_sampling"),
        everywhere=Edit(FILE, "        check_prompt(self.config, prompt)\n", "", times=2),
    ),
    of(
        "weights_not_checked",
        "tensors too many go unnoticed",
        everywhere=Edit(FILE, "    check_weights(config, weights)\n", ""),
    ),
    of(
        "ids_not_widened",
        "ids used in the integer type they come in",
        torch=Edit(FILE, "np.array(ids, np.int64)", "np.array(ids)"),
    ),
    of(
        "trace_not_checked",
        "inputs checked for logits and not for the trace",
        everywhere=Edit(FILE, f"{CHECK}        taps", "        taps"),
    ),
    of(
        "gradients_not_checked",
        "inputs checked for the loss and not for its gradients",
        numpy=Edit(FILE, f"{CHECK_BOTH}        loss = ", "        loss = "),
        torch=Edit(FILE, f"{CHECK_BOTH}        loss = ", "        loss = "),
        jax=Edit(FILE, f"{CHECK_BOTH}{IDS}        loss, grads", f"{IDS}        loss, grads"),
    ),
    of(
        "step_not_checked",
        "the loss and its gradients check a batch, the training step does not",
        everywhere=Edit(FILE, CHECK_STEP, ""),
    ),
    of(
        "refused_step_counts",
        "a step is counted before its batch is checked: the next one has another learning rate",
        everywhere=(
            Edit(FILE, "        self.count += 1\n", ""),
            Edit(FILE, CHECK_STEP, f"        self.count += 1\n{CHECK_STEP}"),
            Edit(FILE, "learning_rate(self.config, self.count)", STEPS_BEFORE),
        ),
    ),
    of(
        "counts_lose_repeats",
        "counts[a, b] += 1 over arrays counts a repeated pair once",
        numpy=Edit(
            "bigram.py",
            "return np.bincount(pairs, minlength=vocab_size**2)",
            "return np.bincount(np.unique(pairs), minlength=vocab_size**2)",
        ),
        torch=Edit("bigram.py", "torch.bincount(pairs,", "torch.bincount(pairs.unique(),"),
        jax=Edit("bigram.py", ".add(1)", ".set(1)"),
    ),
]
