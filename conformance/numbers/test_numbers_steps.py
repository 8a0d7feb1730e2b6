"""Steps of AdamW and SGD on a model of three numbers, compared with digits from another program.

With one channel, C = 1, a LayerNorm turns everything into 0, and outputs only its bias. So
logit v is h_v · b, with b the bias of ln_f and h the lm_head; nothing before ln_f has a gradient.
Where the target is the next token, the loss is −ln p(target), and with p = softmax(h b)

    dh = (p − one-hot(target)) · b        db = Σ_v (p − one-hot(target))_v h_v

The digits are those of this program, in 50-digit arithmetic (mpmath 1.3.0). β₁ is 4/5, β₂ 9/10,
ε 1/16, the decay 1/2, the largest norm 1:

    from mpmath import exp, log, mp, mpf, sqrt

    def run(optimizer, plan):
        w, m, v = [mpf(3) / 4, mpf(-1) / 2, mpf(3) / 2], [0] * 3, [0] * 3  # w is h₀, h₁, b
        for t, (target, lr) in enumerate(plan, 1):
            p = 1 / (1 + exp((w[1] - w[0]) * w[2]))  # of token 0
            e = p - (target == 0)
            g = [e * w[2], -e * w[2], e * (w[0] - w[1])]
            norm = sqrt(sum(x * x for x in g))
            print(-log(p if target == 0 else 1 - p), norm)
            g = [x * min(1, 1 / norm) for x in g]
            m = [(4 * a + x) / 5 for a, x in zip(m, g)]
            v = [(9 * a + x * x) / 10 for a, x in zip(v, g)]
            c, d = 1 - (mpf(4) / 5) ** t, 1 - (mpf(9) / 10) ** t
            u = [(x / c) / (sqrt(y / d) + mpf(1) / 16) for x, y in zip(m, v)]
            u = [u[0] + w[0] / 2, u[1] + w[1] / 2, u[2]] if optimizer == "adamw" else g
            w = [x - mpf(lr) * y for x, y in zip(w, u)]
            print(w, m, v)

    mp.dps = 50
    run("adamw", [(1, "0.1"), (0, "0.2"), (1, "0.11")])
    run("sgd", [(1, "0.5"), (0, "0.5")])
"""

from dataclasses import dataclass

import numpy as np
import pytest

from conformance.truths.truth import check_truth
from shared.config import GPTConfig, TrainConfig
from shared.layout import tensor_shapes
from shared.protocol import Backend

pytestmark = pytest.mark.needs("trainer")

LIMIT = 1e-13
"""A step takes about twenty operations on numbers around 1: 1e-15 of rounding, and 100 times that
for libraries with a worse exponential."""

CONFIG = GPTConfig(
    vocab_size=2,
    block_size=2,
    n_layer=1,
    n_head=1,
    n_embd=1,
    n_inner=2,
    layer_norm_epsilon=1.0,  # what rounding leaves of a 0 is divided by its root
)
TOKENS = np.array([[0, 1]])
HEAD, BIAS = "lm_head.weight", "transformer.ln_f.bias"

ADAMW = TrainConfig(
    steps=3,
    warmup_steps=1,
    learning_rate=0.2,
    min_lr=0.02,
    beta1=0.8,
    beta2=0.9,
    epsilon=1 / 16,
    weight_decay=1 / 2,
    grad_clip=1.0,
)
SGD = TrainConfig(
    steps=2, warmup_steps=0, schedule="constant", learning_rate=0.5, optimizer="sgd", grad_clip=1.0
)


@dataclass(frozen=True)
class Step:
    """The target of every token, and what the program of the docstring gives."""

    target: int
    learning_rate: float
    """By hand: half the peak in the warm-up; the peak; halfway down the cosine to 0.02."""
    loss: float
    norm: float
    """Above 1 and clipped, or below 1 and not."""
    w: tuple[float, float, float]
    m: tuple[float, float, float] = (0, 0, 0)
    v: tuple[float, float, float] = (0, 0, 0)


ADAMW_STEPS = (
    Step(
        *(1, 0.1, 2.0176750576056017, 2.1348279768409557),
        (0.6218046424933921, -0.3843046424933921, 1.4109615837560476),
        (0.12184153981603428, -0.12184153981603428, 0.1015346165133619),
        (0.03711340206185567, 0.03711340206185567, 0.02577319587628866),
    ),
    Step(
        *(0, 0.2, 0.2165741666815757, 0.4351567239410247),
        (0.5147763936606395, -0.30102639366063955, 1.3578399763206106),
        (0.042522714491385366, -0.042522714491385366, 0.042044326088106536),
        (0.04095096025139547, 0.04095096025139547, 0.027034216936317586),
    ),
    Step(
        *(1, 0.11, 1.3931401539010861, 1.5683456060377388),
        (0.42510514619400513, -0.22311139619400513, 1.3011717743845608),
        (0.16418028826338624, -0.16418028826338624, 0.1118380616445382),
        (0.07921130576647353, 0.07921130576647353, 0.03961991216225061),
    ),
)
SGD_STEPS = (
    Step(
        *(1, 0.5, 2.0176750576056017, 2.1348279768409557),
        (0.44539615045991426, -0.1953961504599143, 1.2461634587165953),
    ),
    Step(
        *(0, 0.5, 0.37155602944926114, 0.5819560412109674),
        (0.6387631078860251, -0.3887631078860251, 1.3455950836003445),
    ),
)


def tensors(three: tuple[float, float, float], others: float = 1.0) -> dict[str, np.ndarray]:
    """All tensors: h₀, h₁, b are given, other matrices have entries `others` and other vectors 1.
    Their gradients are 0, so they show what decays."""
    shapes = tensor_shapes(CONFIG).items()
    filled = {name: np.full(shape, others if len(shape) == 2 else 1.0) for name, shape in shapes}
    return filled | {HEAD: np.array(three[:2])[:, None], BIAS: np.array(three[2:])}


@pytest.mark.parametrize(
    ("config", "steps"), [(ADAMW, ADAMW_STEPS), (SGD, SGD_STEPS)], ids=["adamw", "sgd"]
)
def test_steps(
    backends: dict[str, Backend], backend_name: str, config: TrainConfig, steps: tuple[Step, ...]
) -> None:
    """AdamW: corrections by 1 − βᵗ at t = 1, 2, 3; clipping in the first and third; decay of
    matrices only, which is the whole update where the gradient is 0. SGD: only the clipped gradient
    times the rate, without moments and decay."""
    model = backends[backend_name].build(CONFIG, tensors((3 / 4, -1 / 2, 3 / 2)), dtype="float64")
    trainer, adamw, shrunk = model.trainer(config), config.optimizer == "adamw", 1.0

    def check(found: np.ndarray | float, truth: np.ndarray | float, what: str) -> None:
        check_truth(backend_name, found, truth, LIMIT, what, "mpmath")

    for t, step in enumerate(steps, 1):
        result, state = trainer.step(TOKENS, np.full_like(TOKENS, step.target)), trainer.state()
        check(float(result.loss), step.loss, f"step {t}: loss")
        check(float(result.grad_norm), step.norm, f"step {t}: norm")
        check(float(result.learning_rate), step.learning_rate, f"step {t}: rate")
        shrunk *= 1 - step.learning_rate / 2 if adamw else 1.0
        for name, truth in tensors(step.w, shrunk).items():
            check(state.weights[name], truth, f"step {t}: {name}")
        assert set(state.moments) == (set("mv") if adamw else set())
        for letter, moments in state.moments.items():
            for name in (HEAD, BIAS):
                truth = tensors(getattr(step, letter))[name]
                check(moments[name], truth, f"step {t}: {letter} of {name}")
