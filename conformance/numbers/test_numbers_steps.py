"""Steps of AdamW and SGD on a model of three numbers, compared with digits from another program.

With one channel, C = 1, a LayerNorm turns everything into 0, and outputs only its bias. So
logit v is h_v · b, with b the bias of ln_f and h the lm_head; nothing before ln_f has a gradient.
Where the target is the next token, the loss is −ln p(target), and with p = softmax(h b)

    dh = (p − one-hot(target)) · b        db = Σ_v (p − one-hot(target))_v h_v

The digits come from a program in 50-digit arithmetic, which is listed beside them in digits.toml.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from conformance.compare import check_truth
from conformance.truths.known_models import DIGITS
from shared.config import GPTConfig, TrainConfig
from shared.layout import tensor_shapes
from shared.protocol import Backend

pytestmark = pytest.mark.needs("trainer")

LIMIT = 1e-13
"""A step takes about twenty operations on numbers around 1: 1e-15 of rounding, times 100 for
libraries with a less accurate exponential."""

SIZES = {"vocab_size": 2, "block_size": 2, "n_layer": 1, "n_head": 1, "n_embd": 1, "n_inner": 2}
# LayerNorm divides what rounding leaves of a 0 by the root of epsilon.
CONFIG = GPTConfig(**SIZES, layer_norm_epsilon=1.0)
TOKENS = np.array([[0, 1]])
HEAD, BIAS = "lm_head.weight", "transformer.ln_f.bias"

ADAMW = TrainConfig(
    **{"steps": 3, "warmup_steps": 1, "learning_rate": 0.2, "min_lr": 0.02, "grad_clip": 1.0},
    **{"beta1": 0.8, "beta2": 0.9, "epsilon": 1 / 16, "weight_decay": 1 / 2},
)
SGD = TrainConfig(
    steps=2, warmup_steps=0, schedule="constant", learning_rate=0.5, optimizer="sgd", grad_clip=1.0
)


STEPS: dict[str, list[dict[str, Any]]] = DIGITS["steps"]
"""The target of every token, and the loss, norm, weights and moments after the step."""


def tensors(three: Sequence[float], others: float = 1.0) -> dict[str, np.ndarray]:
    """All tensors: h₀, h₁, b are given, other matrices have entries `others` and other vectors 1.
    The gradients of the others are 0, so they show what decays."""
    shapes = tensor_shapes(CONFIG).items()
    filled = {name: np.full(shape, others if len(shape) == 2 else 1.0) for name, shape in shapes}
    return filled | {HEAD: np.array(three[:2])[:, None], BIAS: np.array(three[2:])}


@pytest.mark.parametrize("config", [ADAMW, SGD], ids=["adamw", "sgd"])
def test_steps(backends: dict[str, Backend], backend_name: str, config: TrainConfig) -> None:
    """AdamW: corrections by 1 − βᵗ at t = 1, 2, 3; clipping in the first and third; decay of
    matrices only, which is the whole update where the gradient is 0. SGD: only the clipped gradient
    times the rate, without moments and decay."""
    model = backends[backend_name].build(CONFIG, tensors((3 / 4, -1 / 2, 3 / 2)), dtype="float64")
    trainer, adamw, shrunk = model.trainer(config), config.optimizer == "adamw", 1.0

    def check(found: np.ndarray | float, truth: np.ndarray | float, what: str) -> None:
        check_truth(backend_name, found, truth, LIMIT, what, "mpmath")

    for t, step in enumerate(STEPS[config.optimizer], 1):
        targets = np.full_like(TOKENS, step["target"])
        result, state = trainer.step(TOKENS, targets), trainer.state()
        check(float(result.loss), step["loss"], f"step {t}: loss")
        check(float(result.grad_norm), step["norm"], f"step {t}: norm")
        check(float(result.learning_rate), step["learning_rate"], f"step {t}: rate")
        shrunk *= 1 - step["learning_rate"] / 2 if adamw else 1.0
        for name, truth in tensors(step["w"], shrunk).items():
            check(state.weights[name], truth, f"step {t}: {name}")
        assert set(state.moments) == (set("mv") if adamw else set())
        for letter, moments in state.moments.items():
            for name in (HEAD, BIAS):
                truth = tensors(step[letter])[name]
                check(moments[name], truth, f"step {t}: {letter} of {name}")
