"""Residuals, activations, biases and dropout."""

from functools import partial

from audits.mutants.mutant import BACKEND, DROPOUT, DROPPING, LAYERS, MODEL, Mutant

bug = Mutant
drop = partial(Mutant, chapters=DROPPING)
QUICK = 'type("QuickGELU", (nn.Module,), {"forward": lambda self, x: x * torch.sigmoid(1.702 * x)})'

MUTANTS = [
    bug("residual_left_out", "the stream replaced by attention's output instead of added to")
    + MODEL.everywhere("x = x + self.attn(", "x = self.attn(")
    + MODEL.numpy("dx = dx + self.ln_1.backward(self.attn", "dx = self.ln_1.backward(self.attn"),
    bug(
        "residual_left_out_after_norm",
        "post-norm without its last residual: only the other Transformer shows it",
    )
    + MODEL.everywhere("self.ln_2(x + self.mlp(x))", "self.ln_2(self.mlp(x))"),
    bug("residual_from_normalised", "the block adds to the normalised stream instead of the stream")
    + MODEL.everywhere(
        "x + self.mlp(self.ln_2(x))", "self.ln_2(x)\n            x = x + self.mlp(x)"
    ),
    bug(
        "residual_backward_forgotten",
        "the backward of a sum hands the gradient to one of its terms only",
    )
    + MODEL.numpy("dx = dx + self.ln_2.backward(self.mlp", "dx = self.ln_2.backward(self.mlp"),
    bug("erf_for_tanh", "the exact GELU with weights trained under the tanh one: torch's default")
    + LAYERS.numpy("(gelu_tanh, gelu_tanh_derivative)", "(gelu_erf, gelu_erf_derivative)")
    + MODEL.torch('partial(nn.GELU, approximate="tanh")', "nn.GELU")
    + MODEL.jax("gelu(x, approximate=True)", "gelu(x, approximate=False)"),
    bug("tanh_for_erf", "the tanh GELU where the exact one is asked for: jax's default")
    + LAYERS.numpy("(gelu_erf, gelu_erf_derivative)", "(gelu_tanh, gelu_tanh_derivative)")
    + MODEL.torch('"gelu_erf": nn.GELU', '"gelu_erf": partial(nn.GELU, approximate="tanh")')
    + MODEL.jax("gelu(x, approximate=False)", "gelu(x)"),
    bug("sigmoid_gelu", "the quick GELU, x σ(1.702 x), for the tanh one")
    + MODEL.torch('partial(nn.GELU, approximate="tanh")', QUICK)
    + MODEL.jax("jax.nn.gelu(x, approximate=True)", "x * jax.nn.sigmoid(1.702 * x)"),
    bug("gelu_derivative_of_the_other", "the derivative of the exact GELU under the tanh one")
    + LAYERS.numpy("(gelu_tanh, gelu_tanh_derivative)", "(gelu_tanh, gelu_erf_derivative)"),
    bug("activation_left_out", "two linear layers in a row: the MLP is one matrix")
    + MODEL.eager("        x = self.activation(x)\n", "")
    + MODEL.numpy("dx = self.activation.backward(dx)", "dx = dx + 0.0")
    + MODEL.jax("self.activation(x))", "x)"),
    bug("leaky_relu", "another library's default slope below zero")
    + MODEL.torch('"relu": nn.ReLU', '"relu": nn.LeakyReLU')
    + MODEL.jax('"relu": jax.nn.relu', '"relu": jax.nn.leaky_relu'),
    bug("bias_not_added", "a linear's bias exists, is loaded and is never used")
    + LAYERS.numpy("y += self.bias.value", "y += 0")
    + MODEL.torch(
        "return self.dropout(self.c_proj(x))", "return functional.linear(x, self.c_proj.weight)"
    )
    + MODEL.jax("return self.dropout(self.c_proj(x))", "return x @ self.c_proj.kernel[...]"),
    bug(
        "bias_grad_not_summed",
        "a bias's gradient taken from the first row of the batch, not summed over all",
    )
    + LAYERS.numpy("add_grad(sum_rows(dy))  # it", "add_grad(sum_rows(dy[:1]))  # it"),
    bug(
        "weight_grad_transposed_input",
        "the gradient of a linear's input multiplied by W instead of Wᵀ, where W is square",
    )
    + LAYERS.numpy(
        "(rows(dy) @ self.weight.value.T)",
        "(rows(dy) @ (w if (w := self.weight.value).shape[0] == w.shape[1] else w.T))",
    ),
    bug(
        "no_gradient_through_mlp", "the MLP's input detached: a memory saver put in the wrong place"
    )
    + MODEL.torch("self.c_fc(x)", "self.c_fc(x.detach())")
    + MODEL.jax("self.c_fc(x)", "self.c_fc(jax.lax.stop_gradient(x))"),
    drop("dropout_not_rescaled", "what is kept is not scaled up: training and evaluation differ")
    + DROPOUT.numpy("        y /= self.keep\n", "")
    + DROPOUT.torch(" / self.keep", "")
    + DROPOUT.jax(" / self.keep", ""),
    drop("dropout_share_swapped", "what is dropped is kept, and the rest is dropped")
    + DROPOUT.numpy("x * self.mask", "x * ~self.mask")
    + DROPOUT.torch("x * self.mask", "x * ~self.mask")
    + DROPOUT.jax("x * self.mask", "x * ~self.mask"),
    drop("dropout_in_evaluation", "a validation loss with numbers missing, as without model.eval()")
    + BACKEND.numpy(
        "return float(cross_entropy(self.gpt(tokens), targets))",
        "from .dropout import dropping\n"
        "        with dropping(self.gpt, dropout_masks(self.config, 0, 0, *tokens.shape)):\n"
        "            return float(cross_entropy(self.gpt(tokens), targets))",
    )
    + BACKEND.torch(
        "return cross_entropy(self.gpt(self.tensor(tokens)), self.tensor(targets)).item()",
        "from .dropout import dropping\n"
        "        masks = dropout_masks(self.config, 0, 0, *tokens.shape)\n"
        "        with dropping(self.gpt, {k: torch.from_numpy(m) for k, m in masks.items()}):\n"
        "            …",
    )
    + BACKEND.jax(
        "(self.params, self.graphdef, *ids))\n",
        "(self.params, self.graphdef, *ids,\n"
        "            masks=dropout_masks(self.config, 0, 0, *tokens.shape)))\n",
    ),
    drop(
        "dropout_masks_stay", "the masks of a step stay on, and the next text is written with them"
    )
    + DROPOUT.numpy("del modules[name].mask", "pass")
    + DROPOUT.torch("del gpt.get_submodule(name).mask", "pass"),
    drop("dropout_same_in_two_layers", "one mask for all layers")
    + DROPOUT.numpy("= mask\n", '= masks[name.replace("h.1.", "h.0.")]\n')
    + DROPOUT.torch("= mask\n", '= masks[name.replace("h.1.", "h.0.")]\n')
    + DROPOUT.jax("= mask\n", '= masks[name.replace("h.1.", "h.0.")]\n'),
    drop("dropout_same_every_step", "the masks of the first step in every step")
    + BACKEND.everywhere("self.count, *tokens.shape", "0, *tokens.shape"),
    drop("dropout_begins_again", "a resumed run begins with the masks of the first step again")
    + BACKEND.everywhere("        self.count = state.step\n", "…        self.first = state.step\n")
    + BACKEND.everywhere(
        "self.count, *tokens.shape", "self.count - getattr(self, 'first', 0), *tokens.shape"
    ),
    drop("dropout_ignores_the_seed", "every seed drops the same")
    + BACKEND.everywhere("self.config.seed, self.count", "0, self.count"),
    drop("dropout_not_on_embeddings", "the embeddings are not dropped")
    + MODEL.everywhere("        x = self.drop(x)\n", "")
    + MODEL.numpy("        dx = self.drop.backward(dx)\n", ""),
    drop("dropout_not_in_attention", "the weights of the attention are not dropped")
    + MODEL.numpy("kept = self.attn_dropout(att)", "kept = att")
    + MODEL.numpy("self.attn_dropout.backward(dy @ v.mT)", "dy @ v.mT")
    + MODEL.torch("kept = self.attn_dropout(att)", "kept = att")
    + MODEL.jax("kept = self.attn_dropout(att)", "kept = att"),
    drop("dropout_not_after_attention", "what attention adds to the stream is not dropped")
    + MODEL.everywhere("self.resid_dropout(self.c_proj(y))", "self.c_proj(y)")
    + MODEL.numpy("self.resid_dropout.backward(dy)", "dy"),
    drop("dropout_not_after_mlp", "what the MLP adds to the stream is not dropped")
    + MODEL.everywhere("self.dropout(self.c_proj(x))", "self.c_proj(x)")
    + MODEL.numpy("self.dropout.backward(dy)", "dy"),
    drop("dropout_before_softmax", "scores are dropped instead of the weights made from them")
    + MODEL.numpy(
        "att = np.where(mask, -math.inf, scores)",
        "att = np.where(mask, -math.inf, self.attn_dropout(scores))",
    )
    + MODEL.numpy("kept = self.attn_dropout(att)", "kept = att")
    + MODEL.numpy("self.attn_dropout.backward(dy @ v.mT)", "dy @ v.mT")
    + MODEL.numpy(
        "softmax_backward(att, datt)", "self.attn_dropout.backward(softmax_backward(att, datt))"
    )
    + MODEL.torch("att = scores.masked_fill", "att = self.attn_dropout(scores).masked_fill")
    + MODEL.torch("kept = self.attn_dropout(att)", "kept = att")
    + MODEL.jax(
        "jnp.where(mask, -jnp.inf, scores)", "jnp.where(mask, -jnp.inf, self.attn_dropout(scores))"
    )
    + MODEL.jax("kept = self.attn_dropout(att)", "kept = att"),
    drop("dropout_backward_forgotten", "the gradient flows through what was dropped")
    + DROPOUT.numpy("return self.forward(dy)", "return dy"),
    drop("dropout_values_by_undropped", "the gradient by v is made with the weights before dropout")
    + MODEL.numpy("dv = kept.mT @ dy", "dv = att.mT @ dy"),
    drop(
        "dropout_by_the_fused_kernel", "the fused kernel, which knows no masks, is used in training"
    )
    + MODEL.torch(" and self.attn_dropout.mask is None", ""),
]
