"""What may be requested: the defaults and limits of shared/config.py, and the names of taps. The
input validation of shared/protocol.py is tested through the backends, in conformance/protocol/."""

import math
from collections.abc import Callable
from dataclasses import astuple, replace
from typing import Any

import pytest

from conformance.cases import BASE
from shared.config import GPTConfig, RunLimits, SampleConfig, TrainConfig
from shared.errors import ConfigError
from shared.taps import tap_names

LARGEST = 2**63 - 1
NAN, INF = math.nan, math.inf

# In the order of the fields, which is that of positional arguments.
ARCHITECTURE = (5, 64, 4, 4, 128, None, "gelu_tanh", "pre", "learned", True, False, 1e-5, 0.0)
OPTIMIZATION = (2000, 12, "adamw", 1e-3, 1e-4, "cosine", 100, 0.9, 0.99, 1e-8, 0.1, 1.0)


def test_defaults() -> None:
    assert astuple(GPTConfig(5)) == ARCHITECTURE
    assert astuple(TrainConfig()) == (*OPTIMIZATION, 250, 500, 1337, 1)
    assert astuple(SampleConfig()) == (300, 1.0, None, None, 1)
    assert astuple(RunLimits()) == (None, None, None, None)
    assert (BASE.head_size, BASE.inner_size, replace(BASE, n_inner=None).inner_size) == (6, 40, 96)


# For each field, values that are just allowed, and values that are just not.
WHOLE = ([1, LARGEST], [0, -1, 1.0, True, None, "1"])
FROM_ZERO = ([0, LARGEST], [-1, LARGEST + 1, 1.0, True, None])
POSITIVE = ([5e-324, 1e-3, 1], [0.0, -1e-3, NAN, INF, True, None, "1"])
NOT_NEGATIVE = ([0.0, 0, 1e-5], [-5e-324, NAN, INF, True, None])
BELOW_ONE = ([0.0, 0.9999999999999999], [-5e-324, 1.0, NAN, True])
TRUTH = ([True, False], [0, 1, None, "true"])
FIELDS: dict[Any, dict[str, tuple[list[Any], list[Any]]]] = {
    GPTConfig: {
        **dict.fromkeys(("vocab_size", "block_size", "n_layer"), WHOLE),
        "n_head": ([1, 2, 128], [0, 3, 256, 4.0, True]),  # of 128 channels
        "n_embd": ([4, 132], [0, 2, 130, 128.0]),
        "n_inner": ([None, 1, LARGEST], [0, -1, 1.0, True]),
        "activation": (["gelu_tanh", "gelu_erf", "relu"], ["gelu", "", "\ud800", None]),
        "norm": (["pre", "post"], ["Pre", None]),
        "position": (["learned", "sinusoidal"], ["rope", None]),
        **dict.fromkeys(("bias", "tie_weights"), TRUTH),
        "layer_norm_epsilon": POSITIVE,
        "dropout": BELOW_ONE,
    },
    TrainConfig: {
        **dict.fromkeys(("steps", "batch_size", "eval_interval", "checkpoint_interval"), WHOLE),
        **dict.fromkeys(("warmup_steps", "seed"), FROM_ZERO),
        "accumulate": ([1, 12], [0, 13, 1.0, True]),  # of 12 windows
        "optimizer": (["adamw", "sgd"], ["adam", None]),
        "schedule": (["cosine", "constant"], ["linear", None]),
        "learning_rate": ([1e-4, 1e300], [0.0, 9.9e-5, -1.0, NAN, INF, True]),  # min_lr is 1e-4
        "min_lr": ([0.0, 1e-3], [-5e-324, 1.1e-3, NAN]),
        **dict.fromkeys(("beta1", "beta2"), BELOW_ONE),
        "epsilon": POSITIVE,
        **dict.fromkeys(("weight_decay", "grad_clip"), NOT_NEGATIVE),
    },
    SampleConfig: {
        **dict.fromkeys(("max_new_tokens", "seed"), FROM_ZERO),
        "temperature": ([0.0, 1e-100, 1e300], [9.9e-101, -1e-100, NAN, INF, None, True]),
        "top_k": ([None, 1, LARGEST], [0, -1, 1.0, True]),
        "top_p": ([None, 5e-324, 1.0, 1], [0.0, 1.0000000000000002, -0.5, NAN, True]),
    },
    RunLimits: {
        **dict.fromkeys(("max_seconds", "target_loss"), ([None, 5e-324], [0.0, -1.0, NAN, INF])),
        "keep_checkpoints": ([None, 1], [0, -1, 1.0, True]),
        "eval_windows": ([None, 1], [0, -1, 1.0, True]),
    },
}


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, table in FIELDS.items() for field in table]
)
def test_limits_of_every_field(kind: Callable[..., Any], field: str) -> None:
    needed = {"vocab_size": 5} if kind is GPTConfig else {}
    allowed, refused = FIELDS[kind][field]
    for value in allowed:
        assert getattr(kind(**needed | {field: value}), field) == value
    for value in refused:
        with pytest.raises(ConfigError, match=field):
            kind(**needed | {field: value})


def test_fields_that_depend_on_each_other() -> None:
    GPTConfig(5, n_head=1, n_embd=3)
    with pytest.raises(ConfigError, match="odd"):
        GPTConfig(5, n_head=1, n_embd=3, position="sinusoidal")
    TrainConfig(learning_rate=1e-5, schedule="constant")
    TrainConfig(learning_rate=1e-4)


# Taps

ATTENTION = "attn.q attn.k attn.v attn.scores attn.weights attn.y attn"
PRE = f"ln_1 {ATTENTION} ln_2 mlp.fc mlp.act mlp".split()
POST = f"{ATTENTION} ln_1 mlp.fc mlp.act mlp ln_2".split()


@pytest.mark.parametrize(("norm", "block", "last"), [("pre", PRE, ["ln_f"]), ("post", POST, [])])
def test_tap_names(norm: Any, block: list[str], last: list[str]) -> None:
    """In the order of the data flow, here of two blocks."""
    blocks = [[*(f"h.{i}.{name}" for name in block), f"h.{i}"] for i in (0, 1)]
    expected = ["embed", *blocks[0], *blocks[1], *last, "logits", "probs"]
    assert tap_names(replace(BASE, norm=norm)) == expected
