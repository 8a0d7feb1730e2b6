"""Residuals, activations and biases."""

from audits.mutants.mutant import LAYERS, MODEL, Mutant

bug = Mutant
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
    + MODEL.torch("return self.c_proj(x)", "return functional.linear(x, self.c_proj.weight)")
    + MODEL.jax("return self.c_proj(x)", "return x @ self.c_proj.kernel[...]"),
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
]
