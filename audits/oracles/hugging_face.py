"""Hugging Face's GPT-2: its values, gradients and texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

from audits.oracles.torch_layers import LossAndGrads, mean_loss_and_grads
from shared.checkpoints.checkpoint import save_checkpoint
from shared.config import GPTConfig

MODULES = {
    **{name: name for name in ("ln_1", "attn.c_attn", "attn", "ln_2", "mlp.act", "mlp")},
    **{"attn.y": "attn.c_proj", "mlp.fc": "mlp.c_fc"},
}
"""Our taps in a block, and the modules that they are seen at."""


class HuggingFace:
    """The model in a local directory, in float64. Names and layouts are the canonical ones."""

    source = "transformers"

    def __init__(self, directory: Path) -> None:
        """Load it, with the eager attention, which returns its weights. No tensor may be missing,
        left over or of another shape, which the library itself would accept."""
        how = {"attn_implementation": "eager", "output_loading_info": True}
        model, info = GPT2LMHeadModel.from_pretrained(
            directory, local_files_only=True, dtype=torch.float64, **how
        )
        assert not any(info.values()), info
        self.model = model.eval()
        self.parameters: dict[str, nn.Parameter] = dict(model.named_parameters())

    @classmethod
    def of(cls, config: GPTConfig, weights: dict[str, np.ndarray], directory: Path) -> Any:
        """The model of these weights, which we save and they load."""
        save_checkpoint(directory / "checkpoint", config, weights)
        return cls(directory / "checkpoint")

    @torch.no_grad()
    def logits(self, tokens: np.ndarray) -> np.ndarray:
        return self.model(torch.from_numpy(tokens)).logits.numpy()

    def loss_and_grads(self, tokens: np.ndarray, targets: np.ndarray) -> LossAndGrads:
        """Not with the model's own `labels=`, which computes the loss in float32, always."""
        logits = self.model(torch.from_numpy(tokens)).logits
        return mean_loss_and_grads(logits, targets, self.parameters)

    def drop(self, masks: dict[str, np.ndarray], keep: float, patch: pytest.MonkeyPatch) -> None:
        """Have these masks where they have dropout: modules named and ordered as ours are."""
        modules = self.model.transformer.named_modules()
        assert list(masks) == [name for name, each in modules if isinstance(each, nn.Dropout)]
        factors = (torch.from_numpy(mask).double() / keep for mask in masks.values())
        patch.setattr(nn.functional, "dropout", lambda x, *_, **__: x * next(factors))

    @torch.no_grad()
    def trace(self, tokens: np.ndarray) -> dict[str, np.ndarray]:
        """The intermediate values, under the names of our taps (all but `scores`)."""
        seen: dict[str, Tensor] = {}
        body = self.model.transformer
        modules = {"embed": body.drop, "ln_f": body.ln_f, "logits": self.model.lm_head}
        for i, block in enumerate(body.h):
            modules[f"h.{i}"] = block
            modules |= {f"h.{i}.{tap}": block.get_submodule(at) for tap, at in MODULES.items()}

        def watch(tap: str, module: nn.Module) -> Any:
            def look(module: nn.Module, inputs: tuple, output: Any) -> None:
                if tap.endswith("c_attn"):
                    for letter, part in zip("qkv", output.chunk(3, dim=-1), strict=True):
                        heads = part.unflatten(-1, (self.model.config.n_head, -1))  # [B, T, H, D]
                        seen[tap.removesuffix("c_attn") + letter] = heads.transpose(1, 2)
                elif tap.endswith("attn"):
                    seen[tap], seen[f"{tap}.weights"] = output
                else:
                    seen[tap] = inputs[0] if tap.endswith("attn.y") else output

            return module.register_forward_hook(look)

        handles = [watch(tap, module) for tap, module in modules.items()]
        self.model(torch.from_numpy(tokens))
        for handle in handles:
            handle.remove()
        seen["probs"] = seen["logits"].softmax(dim=-1)
        return {tap: np.ascontiguousarray(value.numpy()) for tap, value in seen.items()}
