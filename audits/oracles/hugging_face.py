"""Hugging Face's GPT-2: its values, gradients and texts."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

SOURCE = "transformers"


def load(directory: Path) -> GPT2LMHeadModel:
    """The model in a local directory, in float64.

    The library initializes missing tensors at random and ignores unknown ones: here no tensor may
    be missing, left over or of another shape. Attention is the eager version, which returns its
    weights.
    """
    model, info = GPT2LMHeadModel.from_pretrained(
        directory,
        local_files_only=True,
        dtype=torch.float64,
        attn_implementation="eager",
        output_loading_info=True,
    )
    assert not any(info.values()), info
    return model.eval()


def canonical_parameters(model: GPT2LMHeadModel) -> dict[str, nn.Parameter]:
    """Names and layouts need no change: the canonical ones are GPT-2's."""
    return dict(model.named_parameters())


@torch.no_grad()
def logits(model: GPT2LMHeadModel, tokens: np.ndarray) -> np.ndarray:
    return model(torch.from_numpy(tokens)).logits.numpy()


def loss_and_grads(
    model: GPT2LMHeadModel, tokens: np.ndarray, targets: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    """Mean cross-entropy and its gradients.

    Not with the model's own `labels=`, which computes the loss in float32 for every precision.
    """
    model.zero_grad()
    scores = model(torch.from_numpy(tokens)).logits
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), torch.from_numpy(targets).flatten())
    loss.backward()
    return loss.item(), {key: p.grad.numpy() for key, p in canonical_parameters(model).items()}


@torch.no_grad()
def own_loss(model: GPT2LMHeadModel, text: np.ndarray) -> float:
    """The loss with `labels=`, which shifts the text by one itself. In float32."""
    ids = torch.from_numpy(text)
    return float(model(ids, labels=ids).loss)


@torch.no_grad()
def trace(model: GPT2LMHeadModel, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """The intermediate values, under the names of our taps (all but `scores`)."""
    seen: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def look(module: nn.Module, inputs: tuple, output: Any) -> None:
            if name.endswith("c_attn"):
                at = name.removesuffix("c_attn")
                for letter, part in zip("qkv", output.chunk(3, dim=-1), strict=True):
                    heads = part.unflatten(-1, (model.config.n_head, -1))  # [B, T, H, D]
                    seen[at + letter] = heads.transpose(1, 2)
            elif name.endswith("attn"):
                seen[name], seen[f"{name}.weights"] = output
            elif name.endswith("attn.y"):
                (seen[name],) = inputs
            else:
                seen[name] = output

        return look

    modules: dict[str, nn.Module] = {"embed": model.transformer.drop}
    for i, block in enumerate(model.transformer.h):
        modules |= {
            f"h.{i}.ln_1": block.ln_1,
            f"h.{i}.attn.c_attn": block.attn.c_attn,
            f"h.{i}.attn.y": block.attn.c_proj,
            f"h.{i}.attn": block.attn,
            f"h.{i}.ln_2": block.ln_2,
            f"h.{i}.mlp.fc": block.mlp.c_fc,
            f"h.{i}.mlp.act": block.mlp.act,
            f"h.{i}.mlp": block.mlp,
            f"h.{i}": block,
        }
    modules |= {"ln_f": model.transformer.ln_f, "logits": model.lm_head}
    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        model(torch.from_numpy(tokens))
    finally:
        for handle in handles:
            handle.remove()
    seen["probs"] = seen["logits"].softmax(dim=-1)
    return {name: np.ascontiguousarray(value.numpy()) for name, value in seen.items()}


@torch.no_grad()
def greedy_text(model: GPT2LMHeadModel, prompt: np.ndarray, count: int) -> list[int]:
    """`count` tokens after the prompt, decoded with the cache."""
    ids = torch.from_numpy(prompt)[None]
    options = {"do_sample": False, "use_cache": True, "pad_token_id": 0}
    text = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, **options)
    return text[0, len(prompt) :].tolist()
