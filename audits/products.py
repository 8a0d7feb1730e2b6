"""The matrix products of one training step alone, which are unavoidable."""

from collections.abc import Callable

import numpy as np

from shared.config import GPTConfig


def numpy_products(config: GPTConfig, batch_size: int) -> Callable[[], None]:
    """A function that does all the products of a training step in NumPy, in float32.

    For y = a @ b these are y, and in the backward da = dy @ bᵀ and db = aᵀ @ dy. Results go into
    preallocated memory, so that only the products are measured.
    """
    B, T, L = batch_size, config.block_size, config.n_layer
    C, F, V = config.n_embd, config.inner_size, config.vocab_size
    H, D = config.n_head, config.head_size
    shapes: list[tuple[tuple[int, ...], tuple[int, ...], int]] = [
        ((B * T, C), (C, 3 * C), L),  # attn.c_attn
        ((B, H, T, D), (B, H, D, T), L),  # q @ k
        ((B, H, T, T), (B, H, T, D), L),  # weights @ v
        ((B * T, C), (C, C), L),  # attn.c_proj
        ((B * T, C), (C, F), L),  # mlp.c_fc
        ((B * T, F), (F, C), L),  # mlp.c_proj
        ((B * T, C), (C, V), 1),  # lm_head
    ]
    rng = np.random.default_rng(0)
    work = []
    for shape_a, shape_b, count in shapes:
        a = rng.standard_normal(shape_a, dtype=np.float32)
        b = rng.standard_normal(shape_b, dtype=np.float32)
        work.append((count, a, b, a @ b, np.empty_like(a), np.empty_like(b)))

    def run() -> None:
        for count, a, b, y, da, db in work:
            for _ in range(count):
                np.matmul(a, b, out=y)
                np.matmul(y, b.mT, out=da)
                np.matmul(a.mT, y, out=db)

    return run
