"""Random inputs of the fuzz: settings for many examples, and arguments for every call."""

import random
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from shared.config import Dtype, GPTConfig, SampleConfig, TrainConfig

HEADS = [(1, 6), (2, 3), (3, 4), (4, 6), (1, 7)]
"""Heads, and channels per head. With fewer than six channels, LayerNorm magnifies rounding."""
BETAS = [(0.9, 0.99), (0.8, 0.95), (0.9, 0.999), (0.0, 0.9)]
"""β1 < √β2: otherwise m can be large where v is almost zero, and training explodes."""
EPSILONS: dict[Dtype, list[float]] = {"float64": [1e-8, 1e-5, 1e-3], "float32": [1e-4, 1e-3]}
"""AdamW's, far above the rounding of a gradient."""
TYPES = ["int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", ">i4", ">i8"]


@dataclass(frozen=True)
class Setting:
    """A setting that many examples share, because JAX compiles for each new one."""

    config: GPTConfig
    dtype: Dtype
    shapes: tuple[tuple[int, int], ...]
    """Of batches, [B, T]."""
    trains: tuple[TrainConfig, ...]


def draw_setting(rng: random.Random) -> Setting:
    """Draw a small model, two batch shapes and two trainings."""
    pick = rng.choice
    dtype: Dtype = pick(["float64", "float64", "float64", "float32"])
    n_head, head_size = pick(HEADS)
    even = n_head * head_size % 2 == 0
    config = GPTConfig(
        vocab_size=pick([1, 2, 17, 37]),
        block_size=pick([1, 5, 11]),
        n_layer=pick([1, 1, 2, 3]),
        n_head=n_head,
        n_embd=n_head * head_size,
        n_inner=pick([None, 1, 10, 40]),
        activation=pick(["gelu_tanh", "gelu_erf", "relu"]),
        norm=pick(["pre", "post"]),
        position=pick(["learned", "sinusoidal"]) if even else "learned",
        bias=pick([True, False]),
        tie_weights=pick([True, False]),
        layer_norm_epsilon=pick([1e-5, 1e-2, 1.0]),
        dropout=pick([0.0, 0.0, 0.3]),
    )
    shapes = (pick([1, 2, 4]), rng.randint(1, config.block_size)), (pick([1, 3]), config.block_size)
    return Setting(config, dtype, shapes, (draw_training(rng, dtype), draw_training(rng, dtype)))


def draw_training(rng: random.Random, dtype: Dtype) -> TrainConfig:
    """Draw a training that keeps rounding small. Trainers do not use the other fields."""
    pick, peak = rng.choice, rng.choice([1e-4, 1e-3, 1e-2])
    beta1, beta2 = pick(BETAS)
    return TrainConfig(
        steps=pick([1, 5, 20]),
        optimizer=pick(["adamw", "adamw", "sgd"]),
        learning_rate=peak,
        min_lr=peak * pick([0.0, 0.1, 1.0]),
        schedule=pick(["cosine", "constant"]),
        warmup_steps=pick([0, 1, 5]),
        beta1=beta1,
        beta2=beta2,
        epsilon=pick(EPSILONS[dtype]),
        weight_decay=pick([0.0, 0.1, 1.0]),
        grad_clip=pick([0.0, 0.1, 1.0]),
        seed=pick([0, 1]),
        accumulate=pick([1, 1, 3]),
    )


@dataclass(frozen=True)
class Ids:
    """Random token ids; every call returns new arrays with the same values."""

    seed: int
    shape: tuple[int, ...]
    below: int
    type: str

    def one(self) -> tuple[np.ndarray]:
        """Tokens, or a prompt."""
        return (self.two()[0],)

    def two(self) -> tuple[np.ndarray, ...]:
        """Tokens and targets."""
        ids = np.random.default_rng(self.seed).integers(0, self.below, (2, *self.shape))
        return tuple(row.astype(self.type) for row in ids)


def ids_of(config: GPTConfig, shapes: st.SearchStrategy[tuple[int, ...]]) -> st.SearchStrategy[Ids]:
    return st.builds(Ids, seeds, shapes, st.just(config.vocab_size), st.sampled_from(TYPES))


# The strategies of the machine, returned by `st.runner`.

seeds = st.integers(0, 10**6)
batches = st.runner().flatmap(
    lambda self: ids_of(self.setting.config, st.sampled_from(self.setting.shapes))
)
prompts = st.runner().flatmap(
    lambda self: ids_of(
        self.setting.config, st.tuples(st.integers(1, self.setting.config.block_size + 3))
    )
)
trainings = st.runner().flatmap(lambda self: st.sampled_from(self.setting.trains))
backends = st.runner().flatmap(lambda self: st.sampled_from(list(self.panel.backends)))
answers = st.runner().flatmap(lambda self: st.sampled_from(self.kept[::-1]))
samplings = st.builds(
    SampleConfig,
    max_new_tokens=st.integers(0, 12),
    temperature=st.sampled_from([1.0, 0.0, 1e-100, 0.3, 2.5]),
    top_k=st.none() | st.integers(1, 40),
    top_p=st.none() | st.floats(0.05, 1.0),
    seed=st.integers(0, 2**62),
)
