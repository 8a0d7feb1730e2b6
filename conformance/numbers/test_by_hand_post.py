"""A post-norm block worked by hand, as test_by_hand.py does for a pre-norm one.

The original Transformer's order: x becomes ln_1(x + attn(x)), then ln_2(x + mlp(x)), and there is
no ln_f. One head, ReLU, C = D = F = 2, V = 3, tokens 0 1, targets 2 1. As there, a LayerNorm makes
(s, −s) of two channels before gain and bias, s = d / √(d² + 16), d being half their difference,
which is 3 or −3 at every LayerNorm; so s is 3/5 or −3/5.

Forward, position 0 and position 1:

    embed    wte + wpe                       ( 1, −1)  (−1,  3)
    q        √2 ln 3 · x₀, 0                 √2 ln 3   −√2 ln 3     (first channel; second is 0)
    k        x₀/2 + 1/2, 0                      1         0         (the same)
    v        x₁, x₀                          (−1,  1)  ( 3, −1)
    scores   q·k/√2: row 0 is ln 3, hidden; row 1 is −ln 3, 0
    weights  row 0 is 1, 0; row 1 is 1/4, 3/4
    y        weights · v                     (−1,  1)  ( 2, −1/2)
    attn     2 − y₀, 1 − 2y₁                 ( 3, −1)  ( 0,  2)
    sum      embed + attn                    ( 4, −2)  (−1,  5)     d =  3, −3
    ln_1     gain (5/3, 10/3), bias (0, 1)   ( 1, −1)  (−1,  3)
    fc       2x₀ + x₁ + 1, x₀ − x₁           ( 2,  2)  ( 2, −4)
    act      ReLU                            ( 2,  2)  ( 2,  0)
    mlp      2a₀ − 3a₁ + 1, −2a₀ + 6a₁ − 1   (−1,  7)  ( 5, −5)
    sum      ln_1 + mlp                      ( 0,  6)  ( 4, −2)     d = −3,  3
    ln_2     gain 5/3, bias (1, 0)           ( 0,  1)  ( 2, −1)     the same is h.0
    probs    softmax(h.0 · lm_headᵀ)         (3, 1, 4)/8  (1, 6, 2)/9

    loss     (−ln 4/8 − ln 6/9)/2 = ln(3)/2

Backward, for positions t = 0, 1. As there, "· (1, −1)" is what a LayerNorm lets through, times
8/125:

    dlogits  (probs − one-hot)/2: (3, 1, −4)/16, (1, −3, 2)/18
    df_t     dlogits · lm_head, with the logarithms of lm_head
    dsum_t   of ln_2: κ_t · (1, −1),  κ_t = 5/3 · 8/125 · (df₀ − df₁)
    dact_t   κ_t · (4, −9), of which ReLU lets through dfc: κ_0 · (4, −9), κ_1 · (4, 0)
    dn_t     of ln_1, by the MLP and past it: κ_0 · (0, 12), κ_1 · (9, 3)
    dsum_t   of ln_1: μ_t · (1, −1),  μ_0 = 8/75 · (0 − 24) κ_0,  μ_1 = 8/75 · (9 − 6) κ_1
    dy_t     μ_t · (−1, 2)
    dweights of row 1, dy · v: 3 μ_1, −5 μ_1; their mean under the weights is −3 μ_1
    dscores  of row 1: 1/4 · 6 μ_1 = 3/2 μ_1 and 3/4 · −2 μ_1 = −3/2 μ_1
    dq_1     (3/2 μ_1 · 1 − 3/2 μ_1 · 0)/√2 = 3/(2√2) μ_1
    dk_t     ±3/2 μ_1 · (−√2 ln 3)/√2 = ∓3/2 ln 3 μ_1
    dv_t     (−1, 2) · (μ_0 + μ_1/4), (−1, 2) · 3/4 μ_1
    dembed_t μ_t · (1, −1) + (√2 ln 3 dq + dk/2 + dv₁, dv₀)
"""

from math import log, sqrt

import numpy as np
import pytest

from conformance.limits import limit_of
from conformance.truths.truth import check_taps, check_truth
from shared.config import GPTConfig
from shared.protocol import Backend, Model

CONFIG = GPTConfig(
    vocab_size=3,
    block_size=2,
    n_layer=1,
    n_head=1,
    n_embd=2,
    n_inner=2,
    activation="relu",
    norm="post",
    layer_norm_epsilon=16.0,
)
TOKENS, TARGETS = np.array([[0, 1]]), np.array([[2, 1]])
H = "transformer.h.0."
WEIGHTS = {
    name: np.array(value, dtype=np.float64)
    for name, value in {
        "transformer.wte.weight": [[3, -2], [-2, 1], [5, 4]],
        "transformer.wpe.weight": [[-2, 1], [1, 2]],
        f"{H}ln_1.weight": [5 / 3, 10 / 3],
        f"{H}ln_1.bias": [0, 1],
        f"{H}attn.c_attn.weight": [[sqrt(2) * log(3), 0, 1 / 2, 0, 0, 1], [0, 0, 0, 0, 1, 0]],
        f"{H}attn.c_attn.bias": [0, 0, 1 / 2, 0, 0, 0],
        f"{H}attn.c_proj.weight": [[-1, 0], [0, -2]],
        f"{H}attn.c_proj.bias": [2, 1],
        f"{H}ln_2.weight": [5 / 3, 5 / 3],
        f"{H}ln_2.bias": [1, 0],
        f"{H}mlp.c_fc.weight": [[2, 1], [1, -1]],
        f"{H}mlp.c_fc.bias": [1, 0],
        f"{H}mlp.c_proj.weight": [[2, -2], [-3, 6]],
        f"{H}mlp.c_proj.bias": [1, -1],
        "lm_head.weight": [[log(3) / 2, log(3)], [log(6) / 2, 0], [log(8) / 2, log(4)]],
    }.items()
}
TAPS = {
    "embed": [[1, -1], [-1, 3]],
    "h.0.attn.q": [[[sqrt(2) * log(3), 0], [-sqrt(2) * log(3), 0]]],
    "h.0.attn.k": [[[1, 0], [0, 0]]],
    "h.0.attn.v": [[[-1, 1], [3, -1]]],
    "h.0.attn.scores": [[[log(3), 0], [-log(3), 0]]],
    "h.0.attn.weights": [[[1, 0], [1 / 4, 3 / 4]]],
    "h.0.attn.y": [[-1, 1], [2, -1 / 2]],
    "h.0.attn": [[3, -1], [0, 2]],
    "h.0.ln_1": [[1, -1], [-1, 3]],
    "h.0.mlp.fc": [[2, 2], [2, -4]],
    "h.0.mlp.act": [[2, 2], [2, 0]],
    "h.0.mlp": [[-1, 7], [5, -5]],
    "h.0.ln_2": [[0, 1], [2, -1]],
    "h.0": [[0, 1], [2, -1]],
    "logits": [[log(3), 0, log(4)], [0, log(6), log(2)]],
    "probs": [[3 / 8, 1 / 8, 4 / 8], [1 / 9, 6 / 9, 2 / 9]],
}
LOSS = log(3) / 2


def gradients() -> dict[str, np.ndarray]:
    """The gradient of every tensor, from the lines of the module's docstring."""
    df = [
        [(3 * log(3) + log(6) - 4 * log(8)) / 32, (3 * log(3) - 4 * log(4)) / 16],
        [(log(3) - 3 * log(6) + 2 * log(8)) / 36, (log(3) + 2 * log(4)) / 18],
    ]
    k0, k1 = (8 / 75 * (first - second) for first, second in df)
    m0, m1 = -64 / 25 * k0, 8 / 25 * k1
    v0, v1 = m0 + m1 / 4, 3 / 4 * m1
    c0 = [0, 0, -3 / 2 * log(3) * m1, 0, -v0, 2 * v0]  # of q, k, v side by side, at position 0
    c1 = [3 / (2 * sqrt(2)) * m1, 0, 3 / 2 * log(3) * m1, 0, -v1, 2 * v1]
    e0, e1 = (
        [m + sqrt(2) * log(3) * c[0] + c[2] / 2 + c[5], -m + c[4]] for m, c in ((m0, c0), (m1, c1))
    )
    return {
        name: np.array(value, dtype=np.float64)
        for name, value in {
            # Every weight's gradient is the sum over positions of input times d(output).
            "lm_head.weight": [
                [2 / 18, 3 / 16 - 1 / 18],
                [-6 / 18, 1 / 16 + 3 / 18],
                [4 / 18, -4 / 16 - 2 / 18],
            ],
            f"{H}ln_2.bias": [df[0][0] + df[1][0], df[0][1] + df[1][1]],
            f"{H}ln_2.weight": [3 / 5 * (df[1][0] - df[0][0]), 3 / 5 * (df[0][1] - df[1][1])],
            f"{H}mlp.c_proj.bias": [k0 + k1, -k0 - k1],
            f"{H}mlp.c_proj.weight": [[2 * k0 + 2 * k1, -2 * k0 - 2 * k1], [2 * k0, -2 * k0]],
            f"{H}mlp.c_fc.bias": [4 * k0 + 4 * k1, -9 * k0],
            f"{H}mlp.c_fc.weight": [[4 * k0 - 4 * k1, -9 * k0], [-4 * k0 + 12 * k1, 9 * k0]],
            f"{H}ln_1.bias": [9 * k1, 12 * k0 + 3 * k1],
            f"{H}ln_1.weight": [-3 / 5 * 9 * k1, 3 / 5 * (3 * k1 - 12 * k0)],
            f"{H}attn.c_proj.bias": [m0 + m1, -m0 - m1],
            f"{H}attn.c_proj.weight": [[-m0 + 2 * m1, m0 - 2 * m1], [m0 - m1 / 2, -m0 + m1 / 2]],
            f"{H}attn.c_attn.bias": [a + b for a, b in zip(c0, c1, strict=True)],
            f"{H}attn.c_attn.weight": [
                [a - b for a, b in zip(c0, c1, strict=True)],
                [3 * b - a for a, b in zip(c0, c1, strict=True)],
            ],
            "transformer.wpe.weight": [e0, e1],
            "transformer.wte.weight": [e0, e1, [0, 0]],  # token 2 does not occur
        }.items()
    }


@pytest.fixture
def small(backends: dict[str, Backend], backend_name: str) -> Model:
    """The model of this file in the backend under test."""
    weights = {key: value.copy() for key, value in WEIGHTS.items()}  # a backend may change them
    return backends[backend_name].build(CONFIG, weights, dtype="float64")


@pytest.mark.needs("trace")
def test_post_norm_taps_by_hand(small: Model, backend_name: str) -> None:
    """Every value of the forward pass, in the order of the data flow."""
    check_taps(backend_name, small.trace(TOKENS), TAPS)


def test_post_norm_logits_by_hand(small: Model, backend_name: str) -> None:
    """The fast path, too."""
    truth = np.array([TAPS["logits"]], dtype=np.float64)
    limit = limit_of("logits", "float64")
    check_truth(backend_name, small.logits(TOKENS), truth, limit, "logits")


@pytest.mark.needs("grads")
def test_post_norm_gradients_by_hand(small: Model, backend_name: str) -> None:
    """The loss, and every tensor from the loss backwards."""
    loss, grads = small.loss_and_grads(TOKENS, TARGETS)
    limit = limit_of("loss", "float64")
    check_truth(backend_name, np.array([loss]), np.array([LOSS]), limit, "loss")
    expected = gradients()
    assert set(grads) == set(expected)
    for key, truth in expected.items():
        limit = limit_of("gradients", "float64")
        check_truth(backend_name, grads[key], truth, limit, f"gradient of {key}")
