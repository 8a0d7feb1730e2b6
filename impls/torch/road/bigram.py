"""The baseline: predict the next token from the last one alone, with a table of scores.

`python -m lessons.bigram --backend torch` trains the table; its loss approaches that of counting.
"""

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import nn

from shared.config import TrainConfig
from shared.schedule import learning_rate
from ..model import cross_entropy
from ..optim import build_optimizer, clip_by_global_norm, set_learning_rate


class Bigram:
    """Row a of the table scores every token that may follow token a: an embedding of size V."""

    def __init__(
        self, table: Float[np.ndarray, "V V"], config: TrainConfig, dtype: str = "float32"
    ) -> None:
        weight = torch.tensor(table, dtype=getattr(torch, dtype))
        self.module = nn.Embedding.from_pretrained(weight, freeze=False)
        self.config = config
        self.optimizer = build_optimizer([self.module.weight], config)
        self.count = 0

    def table(self) -> Float[np.ndarray, "V V"]:
        return self.module.weight.detach().numpy().copy()

    def loss(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float:
        with torch.inference_mode():
            return self._loss(tokens, targets).item()

    def loss_and_grad(
        self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
    ) -> tuple[float, Float[np.ndarray, "V V"]]:
        self.module.zero_grad(set_to_none=True)
        loss = self._loss(tokens, targets)
        loss.backward()
        return loss.item(), self.module.weight.grad.numpy().copy()

    def _loss(self, tokens: np.ndarray, targets: np.ndarray) -> torch.Tensor:
        logits = self.module(torch.from_numpy(np.array(tokens, np.int64)))  # [B, T, V]
        return cross_entropy(logits, torch.from_numpy(np.array(targets, np.int64)))

    def step(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float:
        """Do one update. Returns the loss before it."""
        loss, _ = self.loss_and_grad(tokens, targets)
        clip_by_global_norm([self.module.weight], self.config.grad_clip)
        set_learning_rate(self.optimizer, learning_rate(self.config, self.count))
        self.optimizer.step()
        self.count += 1
        return loss


def count_bigrams(ids: Integer[np.ndarray, " N"], vocab_size: int) -> Int[np.ndarray, "V V"]:
    """Count how often token b follows token a, at [a, b]."""
    ids = torch.from_numpy(np.array(ids, np.int64))
    pairs = ids[:-1] * vocab_size + ids[1:]
    return torch.bincount(pairs, minlength=vocab_size**2).view(vocab_size, vocab_size).numpy()
