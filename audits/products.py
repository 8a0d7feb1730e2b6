"""The matrix products of one training step alone, which are unavoidable."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.config import GPTConfig


@dataclass(frozen=True)
class Product:
    """`count` times a @ b, where a and b may be stacks of matrices."""

    name: str
    a: tuple[int, ...]
    b: tuple[int, ...]
    count: int

    @property
    def operations(self) -> int:
        """Multiplications and additions, of all `count` together."""
        *stack, n, k = self.a
        return 2 * int(np.prod(stack, dtype=int)) * n * k * self.b[-1] * self.count


def forward_products(config: GPTConfig, batch_size: int) -> list[Product]:
    """Every product of the forward pass, in the order of the data flow."""
    B, T, L = batch_size, config.block_size, config.n_layer
    C, F, V = config.n_embd, config.inner_size, config.vocab_size
    H, D = config.n_head, config.head_size
    return [
        Product("attn.c_attn", (B * T, C), (C, 3 * C), L),
        Product("attn.q @ k", (B, H, T, D), (B, H, D, T), L),
        Product("attn.weights @ v", (B, H, T, T), (B, H, T, D), L),
        Product("attn.c_proj", (B * T, C), (C, C), L),
        Product("mlp.c_fc", (B * T, C), (C, F), L),
        Product("mlp.c_proj", (B * T, F), (F, C), L),
        Product("lm_head", (B * T, C), (C, V), 1),
    ]


def step_operations(config: GPTConfig, batch_size: int) -> int:
    """Multiplications and additions of a step: the backward has two products for each of these."""
    return 3 * sum(product.operations for product in forward_products(config, batch_size))


def numpy_products(config: GPTConfig, batch_size: int) -> Callable[[], None]:
    """A function that does all the products of a training step in NumPy, in float32.

    For y = a @ b these are y, and in the backward da = dy @ bᵀ and db = aᵀ @ dy. Results go into
    preallocated memory, so that only the products are measured.
    """
    rng = np.random.default_rng(0)
    work = []
    for product in forward_products(config, batch_size):
        a = rng.standard_normal(product.a, dtype=np.float32)
        b = rng.standard_normal(product.b, dtype=np.float32)
        work.append((product.count, a, b, a @ b, np.empty_like(a), np.empty_like(b)))

    def run() -> None:
        for count, a, b, y, da, db in work:
            for _ in range(count):
                np.matmul(a, b, out=y)
                np.matmul(y, b.mT, out=da)
                np.matmul(a.mT, y, out=db)

    return run
