"""The manifest of shared/checkpoints/checkpoint.py and the initial weights of shared/layout.py."""

import hashlib
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import BASE
from conformance.truths.by_definition import WEIGHTS, dice, manifest, same_tensors
from shared.config import GPTConfig
from shared.layout import init_weights, tensor_shapes

OPTIONS = {
    "tie_weights": (False, True),
    "bias": (True, False),
    "norm": ("pre", "post"),
    "position": ("learned", "sinusoidal"),
}
ALL_VALUES = itertools.product(*OPTIONS.values())
COMBINATIONS = [replace(BASE, **dict(zip(OPTIONS, v, strict=True))) for v in ALL_VALUES]

# Known models, counted by their authors or by hand. A block with biases has 12C² + 13C, without
# 12C² + 2C. The lecture's has 209,729 by its author's count, with 65 for the bias of lm_head and
# without 4 · 3C for those of queries, keys and values: 209,729 − 65 + 768.
GPT2 = GPTConfig(50257, 1024, 12, 12, 768, tie_weights=True)
ORIGINAL = GPTConfig(65, 64, 4, 4, 64, norm="post", position="sinusoidal")
COUNTS = [
    (GPT2, 124_439_808),
    (GPTConfig(50257, 1024, 24, 16, 1024, tie_weights=True), 354_823_168),
    (GPTConfig(50257, 1024, 48, 25, 1600, tie_weights=True), 1_557_611_200),
    (replace(GPT2, tie_weights=False), 124_439_808 + 50257 * 768),
    (GPTConfig(65, 32, 4, 4, 64), 210_432),
    (GPTConfig(65, 64, 4, 4, 128, bias=False), 65 * 128 + 64 * 128 + 787_456 + 128 + 65 * 128),
    (ORIGINAL, 65 * 64 + 4 * 49_984 + 65 * 64),
    (replace(ORIGINAL, n_inner=100), 65 * 64 + 4 * 29_860 + 65 * 64),
]


@pytest.mark.parametrize("config", COMBINATIONS, ids=range(16))
def test_tensor_shapes(config: GPTConfig) -> None:
    """Names, shapes and order, for every combination of what adds or removes a tensor."""
    assert list(tensor_shapes(config).items()) == list(manifest(config).items())


@pytest.mark.parametrize(("config", "count"), COUNTS)
def test_parameter_counts(config: GPTConfig, count: int) -> None:
    assert sum(map(math.prod, tensor_shapes(config).values())) == count


@pytest.mark.parametrize("config", [COMBINATIONS[0], COMBINATIONS[-1], replace(BASE, n_layer=3)])
def test_initial_weights(config: GPTConfig) -> None:
    """Drawn tensor by tensor from the weights' stream; bit for bit, also rounded to float32."""
    rng, expected = dice(7, WEIGHTS), {}
    into_the_stream = 0.02 / math.sqrt(2 * config.n_layer)
    for name, shape in manifest(config).items():
        kind = ".".join(name.split(".")[-2:])
        match kind:
            case "ln_1.weight" | "ln_2.weight" | "ln_f.weight":
                expected[name] = np.ones(shape)
            case "wte.weight" | "wpe.weight" | "c_attn.weight" | "c_fc.weight" | "lm_head.weight":
                expected[name] = 0.02 * rng.standard_normal(shape)
            case "c_proj.weight":
                expected[name] = into_the_stream * rng.standard_normal(shape)
            case _:
                assert kind.endswith(".bias")
                expected[name] = np.zeros(shape)
    same_tensors(init_weights(config, 7, "float64"), expected)
    rounded = {name: value.astype(np.float32) for name, value in expected.items()}
    same_tensors(init_weights(config, 7, "float32"), rounded)
    same_tensors(init_weights(config, 7), rounded, "by default")


def test_some_initial_weights_are_these() -> None:
    """All 308 weights of the smallest model, to the bit."""
    weights = init_weights(GPTConfig(5, 4, 1, 1, 4), 1337, "float64")
    assert sum(value.size for value in weights.values()) == 308
    assert weights["transformer.wte.weight"][0, 0] == pytest.approx(-0.0036365729882824626)
    digest = "75c9282714b085bd986c23e04cbfc2e4b18bd55bcbf0c4f652478dfe35970078"
    every = b"".join(value.astype("<f8").tobytes() for value in weights.values())
    assert hashlib.sha256(every).hexdigest() == digest
