"""The model put together from torch's own Transformer layers, in every configuration that it has.

`torch.nn.TransformerEncoderLayer` is the original post-norm block, or with `norm_first` the
pre-norm one, and a causal mask makes it a decoder. torch has no module for sinusoidal positions:
they are computed from the paper's formula, number by number.
"""

from collections.abc import Mapping
from math import cos, sin

import numpy as np
import torch
from torch import Tensor, nn

from shared.config import GPTConfig

LossAndGrads = tuple[float, dict[str, np.ndarray]]

ACTIVATIONS = {"gelu_tanh": nn.GELU(approximate="tanh"), "gelu_erf": nn.GELU(), "relu": nn.ReLU()}
PARTS = {
    **{"wte": "transformer.wte", "wpe": "transformer.wpe.weight", "layers": "transformer.h"},
    **{"norm1": "ln_1", "self_attn.in_proj_": "attn.c_attn.", "self_attn.out_proj": "attn.c_proj"},
    **{"norm2": "ln_2", "linear1": "mlp.c_fc", "linear2": "mlp.c_proj", "ln_f": "transformer.ln_f"},
}
"""Parts of torch's names, and ours. Its linears are (out, in), GPT-2's (in, out)."""


def positions(config: GPTConfig) -> Tensor:
    """Vaswani et al. 2017, §3.5: PE(t, 2i) = sin(t / 10000^(2i/C)), PE(t, 2i+1) the cosine."""
    C = config.n_embd
    table = torch.empty(config.block_size, C, dtype=torch.float64)
    for t in range(config.block_size):
        for i in range(C // 2):
            angle = t / 10000 ** (2 * i / C)
            table[t, 2 * i], table[t, 2 * i + 1] = sin(angle), cos(angle)
    return table


class Stack(nn.Module):
    """The GPT of a configuration, in float64, with a copy of canonical weights."""

    source = "TransformerEncoderLayer"

    def __init__(self, config: GPTConfig, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        C, epsilon = config.n_embd, config.layer_norm_epsilon
        self.wte = nn.Embedding(config.vocab_size, C)
        self.wpe = nn.Parameter(positions(config), requires_grad=config.position == "learned")
        pre, sizes = config.norm == "pre", (C, config.n_head, config.inner_size)
        design = {"activation": ACTIVATIONS[config.activation], "layer_norm_eps": epsilon}
        design |= {"batch_first": True, "norm_first": pre, "bias": config.bias}
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(*sizes, dropout=0.0, **design) for _ in range(config.n_layer)
        )
        self.ln_f = nn.LayerNorm(C, epsilon, bias=config.bias) if pre else nn.Identity()
        self.lm_head = nn.Linear(C, config.vocab_size, bias=False)
        if config.tie_weights:
            self.lm_head.weight = self.wte.weight
        self.double()
        self.by_canonical_name = self._canonical_parameters()
        assert set(self.by_canonical_name) == set(weights)
        with torch.no_grad():
            for name, parameter in self.by_canonical_name.items():
                parameter.copy_(torch.from_numpy(swap_layout(name, weights[name])))

    def _canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The trained parameters; a tied one only once, as wte."""
        found = {}
        for name, parameter in self.named_parameters():
            for theirs, ours in PARTS.items():
                name = name.replace(theirs, ours)
            if parameter.requires_grad:
                found[name] = parameter
        return found

    def taps(self, tokens: Tensor) -> dict[str, Tensor]:
        """The embedding, the output of every block, and the logits."""
        x = self.wte(tokens) + self.wpe[: tokens.shape[1]]
        taps = {"embed": x}
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
        for i, layer in enumerate(self.layers):
            x = taps[f"h.{i}"] = layer(x, src_mask=mask, is_causal=True)
        return taps | {"logits": self.lm_head(self.ln_f(x))}

    def forward(self, tokens: Tensor) -> Tensor:
        return self.taps(tokens)["logits"]

    @torch.no_grad()
    def logits(self, tokens: np.ndarray) -> np.ndarray:
        return self(torch.from_numpy(tokens)).numpy()

    @torch.no_grad()
    def trace(self, tokens: np.ndarray) -> dict[str, np.ndarray]:
        """The intermediate values that can be seen, under the names of our taps."""
        return {tap: x.numpy() for tap, x in self.taps(torch.from_numpy(tokens)).items()}

    def loss_and_grads(self, tokens: np.ndarray, targets: np.ndarray) -> LossAndGrads:
        """Mean cross-entropy, and its gradients in canonical names and layout."""
        logits = self(torch.from_numpy(tokens))
        loss, grads = mean_loss_and_grads(logits, targets, self.by_canonical_name)
        return loss, {name: swap_layout(name, grad) for name, grad in grads.items()}


def swap_layout(name: str, value: np.ndarray) -> np.ndarray:
    """Between GPT-2's (in, out) and torch's (out, in); embeddings and lm_head are alike in both."""
    linear = name.startswith("transformer.h.") and value.ndim == 2
    return np.ascontiguousarray(value.T) if linear else value


def mean_loss_and_grads(
    logits: Tensor, targets: np.ndarray, parameters: dict[str, nn.Parameter]
) -> LossAndGrads:
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets).flatten())
    grads = torch.autograd.grad(loss, list(parameters.values()))
    return loss.item(), {name: g.numpy() for name, g in zip(parameters, grads, strict=True)}
