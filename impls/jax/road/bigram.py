"""The baseline: predict the next token from the last one alone, with a table of scores.

`python -m lessons.bigram --backend jax` trains the table; its loss approaches that of counting.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Integer

from shared.config import TrainConfig
from shared.schedule import learning_rate
from ..model import cross_entropy
from ..optim import build_optimizer


class Bigram:
    """Row a of the table scores every token that may follow token a: an embedding of size V."""

    def __init__(
        self, table: Float[np.ndarray, "V V"], config: TrainConfig, dtype: str = "float32"
    ) -> None:
        self.weight = jnp.array(table, dtype=dtype)
        self.config = config
        self.optimizer_state = build_optimizer(config, config.learning_rate).init(self.weight)
        self.count = 0

    def table(self) -> Float[np.ndarray, "V V"]:
        return np.array(self.weight)

    def loss(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float:
        return float(compute_loss(self.weight, *widened(tokens, targets)))

    def loss_and_grad(
        self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]
    ) -> tuple[float, Float[np.ndarray, "V V"]]:
        loss, grad = compute_loss_and_grad(self.weight, *widened(tokens, targets))
        return float(loss), np.array(grad)

    def step(self, tokens: Int[np.ndarray, "B T"], targets: Int[np.ndarray, "B T"]) -> float:
        """Do one update. Returns the loss before it."""
        lr = learning_rate(self.config, self.count)
        ids = widened(tokens, targets)
        self.weight, self.optimizer_state, loss = train_step(
            self.config, self.weight, self.optimizer_state, *ids, lr
        )
        self.count += 1
        return float(loss)


def widened(*ids: Int[np.ndarray, "B T"]) -> tuple[Int[np.ndarray, "B T"], ...]:
    """Ids as int32: nothing compiles twice, and V, which indexing adds to an id, fits."""
    return tuple(each.astype(np.int32) for each in ids)


def loss_function(
    table: Float[Array, "V V"], tokens: Int[Array, "B T"], targets: Int[Array, "B T"]
) -> Float[Array, ""]:
    return cross_entropy(table[tokens], targets)


compute_loss = jax.jit(loss_function)
compute_loss_and_grad = jax.jit(jax.value_and_grad(loss_function))


@partial(jax.jit, static_argnames="config")
def train_step(
    config: TrainConfig,
    table: Float[Array, "V V"],
    optimizer_state: optax.OptState,
    tokens: Int[Array, "B T"],
    targets: Int[Array, "B T"],
    learning_rate: Float[Array, ""],
) -> tuple[Float[Array, "V V"], optax.OptState, Float[Array, ""]]:
    loss, grad = jax.value_and_grad(loss_function)(table, tokens, targets)
    optimizer = build_optimizer(config, learning_rate)
    updates, optimizer_state = optimizer.update(grad, optimizer_state, table)
    return optax.apply_updates(table, updates), optimizer_state, loss


def count_bigrams(ids: Integer[np.ndarray, " N"], vocab_size: int) -> Int[np.ndarray, "V V"]:
    """Count how often token b follows token a, at [a, b]."""
    ids = jnp.asarray(ids.astype(np.int64))
    counts = jnp.zeros((vocab_size, vocab_size), jnp.int64).at[ids[:-1], ids[1:]].add(1)
    return np.array(counts)
