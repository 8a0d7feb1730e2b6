"""Residuals, activations and biases."""

from audits.mutants.mutant import Edit, Mutant

MODEL = "model.py"
ATTN = "x = x + self.attn("
MLP = "x = x + self.mlp(self.ln_2(x))"
TANH = {
    "torch": 'partial(nn.GELU, approximate="tanh")',
    "jax": "jax.nn.gelu(x, approximate=True)",
}
QUICK = 'type("QuickGELU", (nn.Module,), {"forward": lambda self, x: x * torch.sigmoid(1.702 * x)})'

MUTANTS = [
    Mutant.of(
        "residual_left_out",
        "the stream replaced by attention's output instead of added to",
        numpy=(
            Edit(MODEL, ATTN, ATTN.replace("x + ", "")),
            Edit(
                MODEL,
                "dx = dx + self.ln_1.backward(self.attn.backward(dx))",
                "dx = self.ln_1.backward(self.attn.backward(dx))",
            ),
        ),
        torch=Edit(MODEL, ATTN, ATTN.replace("x + ", "")),
        jax=Edit(MODEL, ATTN, ATTN.replace("x + ", "")),
    ),
    Mutant.of(
        "residual_left_out_after_norm",
        "post-norm without its last residual: only the other Transformer shows it",
        everywhere=Edit(MODEL, "self.ln_2(x + self.mlp(x))", "self.ln_2(self.mlp(x))"),
    ),
    Mutant.of(
        "residual_from_normalised",
        "the block adds to the normalised stream instead of the stream",
        everywhere=Edit(MODEL, MLP, "x = self.ln_2(x)\n            x = x + self.mlp(x)"),
    ),
    Mutant.of(
        "residual_backward_forgotten",
        "the backward of a sum hands the gradient to one of its terms only",
        numpy=Edit(
            MODEL,
            "dx = dx + self.ln_2.backward(self.mlp.backward(dx))",
            "dx = self.ln_2.backward(self.mlp.backward(dx))",
        ),
    ),
    Mutant.of(
        "erf_for_tanh",
        "the exact GELU with weights trained under the tanh one: torch's default",
        numpy=Edit("nn.py", "(gelu_tanh, gelu_tanh_derivative)", "(gelu_erf, gelu_erf_derivative)"),
        torch=Edit(MODEL, TANH["torch"], "nn.GELU"),
        jax=Edit(MODEL, TANH["jax"], "jax.nn.gelu(x, approximate=False)"),
    ),
    Mutant.of(
        "tanh_for_erf",
        "the tanh GELU where the exact one is asked for: jax's default",
        numpy=Edit("nn.py", "(gelu_erf, gelu_erf_derivative)", "(gelu_tanh, gelu_tanh_derivative)"),
        torch=Edit(
            MODEL,
            '"gelu_erf": nn.GELU,',
            '"gelu_erf": partial(nn.GELU, approximate="tanh"),',
        ),
        jax=Edit(MODEL, "jax.nn.gelu(x, approximate=False)", "jax.nn.gelu(x)"),
    ),
    Mutant.of(
        "sigmoid_gelu",
        "the quick GELU, x σ(1.702 x), for the tanh one",
        torch=Edit(MODEL, TANH["torch"], QUICK),
        jax=Edit(MODEL, TANH["jax"], "x * jax.nn.sigmoid(1.702 * x)"),
    ),
    Mutant.of(
        "gelu_derivative_of_the_other",
        "the derivative of the exact GELU under the tanh one",
        numpy=Edit(
            "nn.py", "(gelu_tanh, gelu_tanh_derivative)", "(gelu_tanh, gelu_erf_derivative)"
        ),
    ),
    Mutant.of(
        "activation_left_out",
        "two linear layers in a row: the MLP is one matrix",
        numpy=(
            Edit(MODEL, "        x = self.activation(x)\n", ""),
            Edit(MODEL, "dx = self.activation.backward(dx)", "dx = dx + 0.0"),
        ),
        torch=Edit(MODEL, "        x = self.activation(x)\n", ""),
        jax=Edit(MODEL, "self.activation(x))", "x)"),
    ),
    Mutant.of(
        "leaky_relu",
        "another library's default slope below zero",
        torch=Edit(MODEL, '"relu": nn.ReLU', '"relu": nn.LeakyReLU'),
        jax=Edit(MODEL, '"relu": jax.nn.relu', '"relu": jax.nn.leaky_relu'),
    ),
    Mutant.of(
        "bias_not_added",
        "a linear's bias exists, is loaded and is never used",
        numpy=Edit("nn.py", "y += self.bias.value", "y += 0"),
        torch=Edit(
            MODEL, "return self.c_proj(x)", "return functional.linear(x, self.c_proj.weight)"
        ),
        jax=Edit(MODEL, "return self.c_proj(x)", "return x @ self.c_proj.kernel[...]"),
    ),
    Mutant.of(
        "bias_grad_not_summed",
        "a bias's gradient taken from the first row of the batch, not summed over all",
        numpy=Edit(
            "nn.py",
            "self.bias.add_grad(sum_rows(dy))  # it",
            "self.bias.add_grad(sum_rows(dy[:1]))  # it",
        ),
    ),
    Mutant.of(
        "weight_grad_transposed_input",
        "the gradient of a linear's input multiplied by W instead of Wᵀ, where W is square",
        numpy=Edit(
            "nn.py",
            "(rows(dy) @ self.weight.value.T)",
            "(rows(dy) @ (w if (w := self.weight.value).shape[0] == w.shape[1] else w.T))",
        ),
    ),
    Mutant.of(
        "no_gradient_through_mlp",
        "the MLP's input detached: a memory saver put in the wrong place",
        torch=Edit(MODEL, "x = self.c_fc(x)", "x = self.c_fc(x.detach())"),
        jax=Edit(MODEL, "x = self.c_fc(x)", "x = self.c_fc(jax.lax.stop_gradient(x))"),
    ),
]
