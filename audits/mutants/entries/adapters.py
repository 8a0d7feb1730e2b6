"""Weights on their way in and out, precisions, and input validation."""

from functools import partial

from audits.mutants.mutant import ADAPTER, BACKEND, BIGRAM, FORWARD, Mutant

bug = partial(Mutant, chapters=ADAPTER)
COPIED = "parameter.value.copy() for key, parameter in self.parameters.items()}"

MUTANTS = [
    bug(
        "transposed_weight",
        "a square matrix loaded transposed, and handed out transposed back: no shape tells",
        chapters=FORWARD,
    )
    + BACKEND.numpy("= weights[key]", '….T if "attn.c_proj.w" in key else weights[key]')
    + BACKEND.numpy(
        f"{{key: {COPIED}",
        '{key: (p.value.T if "attn.c_proj.w" in key else p.value).copy()\n'
        "                for key, p in self.parameters.items()}",
    )
    + BACKEND.torch('".c_proj.weight")', '".mlp.c_proj.weight")')
    + BACKEND.jax(
        ' == "lm_head.weight" else', '.endswith(("lm_head.weight", "attn.c_proj.weight")) else'
    ),
    bug("weights_aliased", "the caller's arrays used instead of copied")
    + BACKEND.numpy("value[...] = weights[key]", "value = np.asarray(weights[key], dtype=dtype)")
    + BACKEND.torch(
        "parameter.copy_(from_numpy(swap_layout(key, weights[key])))",
        "parameter.data = torch.from_numpy(swap_layout(key, weights[key])).to(parameter.dtype)",
    ),
    bug(
        "weights_handed_out",
        "the model's own arrays handed out instead of copies",
        chapters=(*ADAPTER, "test_life"),
    )
    + BACKEND.numpy("parameter.value.copy()", "parameter.value")
    + BACKEND.torch(
        'np.array(swap_layout(key, tensor.detach().cpu().numpy()), order="C")',
        "swap_layout(key, tensor.detach().cpu().numpy())",
    )
    + BACKEND.jax(
        'np.array(swap_layout(key, np.asarray(array)), order="C")',
        "swap_layout(key, np.asarray(array))",
    ),
    bug("tied_head_handed_out", "a tied lm_head handed out a second time, under its own name")
    + BACKEND.numpy(COPIED, '… | {\n            "lm_head.weight": self.gpt.lm_head.value.copy()}')
    + BACKEND.torch(
        "        return to_numpy(self.parameters)\n",
        '        head = {"lm_head.weight": self.gpt.lm_head.weight}\n'
        "        return to_numpy(self.parameters | head)\n",
    )
    + BACKEND.jax(
        "        return to_numpy(self.params)\n",
        "        found = to_numpy(self.params)\n"
        '        head = found.get("lm_head.weight", found["transformer.wte.weight"]).copy()\n'
        '        return found | {"lm_head.weight": head}\n',
    ),
    bug("weights_rounded", "weights pass through float32 on their way in")
    + BACKEND.numpy("value[...] = weights[key]", "….astype('f4')")
    + BACKEND.torch("swap_layout(key, weights[key])", "….astype('f4')")
    + BACKEND.jax("arrays[key]), dtype=", "arrays[key]).astype(np.float32), dtype="),
    bug("float32_inside", "the model built in float32 whatever was asked for")
    + BACKEND.numpy("value[...] = weights[key]", "value = np.array(weights[key], dtype='f4')")
    + BACKEND.torch("dtype=getattr(torch, dtype))", "dtype=torch.float32)")
    + BACKEND.jax("GPT(config, jnp.dtype(dtype),", "GPT(config, jnp.dtype('float32'),"),
    bug("tokens_not_checked", "ids out of range let in: an exception here, a clamp or NaN there")
    + BACKEND.everywhere("ndarray:\n        check_tokens(self.config, tokens)\n", "ndarray:\n"),
    bug("targets_not_checked", "targets let in unseen")
    + BACKEND.everywhere("(self.config, tokens, targets)", "(self.config, tokens)", times=2),
    bug(
        "prompt_not_checked",
        "an empty prompt, or an unknown id in it, let in",
        chapters=(*ADAPTER, "test_sampling"),
    )
    + BACKEND.everywhere("        check_prompt(self.config, prompt)\n", "", times=2),
    bug("weights_not_checked", "tensors too many go unnoticed")
    + BACKEND.everywhere("    check_weights(config, weights)\n", ""),
    bug("ids_not_widened", "ids used in the integer type they come in")
    + BACKEND.torch("np.array(ids, np.int64)", "np.array(ids)"),
    bug("trace_not_checked", "inputs checked for logits and not for the trace")
    + BACKEND.everywhere("        check_tokens(self.config, tokens)\n        taps", "        taps"),
    bug("gradients_not_checked", "inputs checked for the loss and not for its gradients")
    + BACKEND.eager("check_tokens(self.config, tokens, targets)\n        loss = ", "loss = ")
    + BACKEND.jax(
        "        check_tokens(self.config, tokens, targets)\n"
        "        ids = one_type(tokens), one_type(targets)\n"
        "        loss, grads",
        "        ids = one_type(tokens), one_type(targets)\n        loss, grads",
    ),
    bug("step_not_checked", "the loss and its gradients check a batch, the training step does not")
    + BACKEND.everywhere("        check_tokens(self.model.config, tokens, targets)\n", ""),
    bug(
        "refused_step_counts",
        "a step is counted before its batch is checked: the next one has another learning rate",
    )
    + BACKEND.everywhere("        self.count += 1\n", "")
    + BACKEND.everywhere("        check_tokens(self.model.config,", "        self.count += 1\n…")
    + BACKEND.everywhere("(self.config, self.count)", "(self.config, self.count - 1)"),
    bug("counts_lose_repeats", "counts[a, b] += 1 over arrays counts a repeated pair once")
    + BIGRAM.numpy("bincount(pairs, minlength", "bincount(np.unique(pairs), minlength")
    + BIGRAM.torch("bincount(pairs,", "bincount(pairs.unique(),")
    + BIGRAM.jax(".add(1)", ".set(1)"),
]
