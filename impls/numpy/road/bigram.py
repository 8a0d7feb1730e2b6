"""The baseline: predict the next token from the last one alone, with a table of scores.

`python -m lessons.bigram --backend numpy` trains the table; its loss approaches that of counting.
"""

import numpy as np
from jaxtyping import Float, Int, Integer

from shared.config import TrainConfig
from shared.schedule import learning_rate
from ..model import cross_entropy, cross_entropy_backward
from ..nn import Embedding
from ..optim import build_optimizer, clip_by_global_norm


class Bigram:
    """Row a of the table scores every token that may follow token a: an embedding of size V."""

    def __init__(
        self, table: Float[np.ndarray, "V V"], config: TrainConfig, dtype: str = "float32"
    ) -> None:
        self.module = Embedding(*table.shape)
        self.module.weight.value = np.array(table, dtype=dtype)
        self.config = config
        self.optimizer = build_optimizer({"table": self.module.weight}, config)
        self.count = 0

    def table(self) -> Float[np.ndarray, "V V"]:
        return self.module.weight.value.copy()

    def loss(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float:
        return float(cross_entropy(self.module(tokens), targets))

    def loss_and_grad(
        self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
    ) -> tuple[float, Float[np.ndarray, "V V"]]:
        self.module.weight.grad = None
        logits = self.module(tokens)  # [B, T, V]
        self.module.backward(cross_entropy_backward(logits, targets))
        return float(cross_entropy(logits, targets)), self.module.weight.grad

    def step(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float:
        """Do one update. Returns the loss before it."""
        loss, _ = self.loss_and_grad(tokens, targets)
        clip_by_global_norm({"table": self.module.weight}, self.config.grad_clip)
        self.optimizer.step(learning_rate(self.config, self.count))
        self.count += 1
        return loss


def count_bigrams(ids: Integer[np.ndarray, " N"], vocab_size: int) -> Int[np.ndarray, "V V"]:
    """Count how often token b follows token a, at [a, b]."""
    ids = ids.astype(np.int64)  # the products below overflow smaller integers
    pairs = ids[:-1] * vocab_size + ids[1:]
    return np.bincount(pairs, minlength=vocab_size**2).reshape(vocab_size, vocab_size)
