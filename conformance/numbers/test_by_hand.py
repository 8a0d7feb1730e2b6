"""A model small enough to compute by hand: it finds mistakes that all three backends share.

One block of pre-norm, one head, ReLU, C = D = F = 2, V = 3, tokens 0 1, targets 1 0. The weights,
below, are chosen so that every value is a whole number, a fraction or a logarithm.

LayerNorm. It sees only d, half the difference of two channels: x becomes (s, −s) before gain and
bias, s = d / √(d² + epsilon). Epsilon is 16, and every d is 3 or −3, so that s is 3/5 or −3/5.

Forward, position 0 and position 1:

    embed    wte + wpe                       ( 4, −2)  (−1,  5)     d =  3, −3
    ln_1     gain (5/3, 10/3), bias (0, 1)   ( 1, −1)  (−1,  3)
    q        √2 ln 3 · n₀, 0                 √2 ln 3   −√2 ln 3     (first channel; second is 0)
    k        n₀/2 + 1/2, 0                      1         0         (the same)
    v        n₁, n₀                          (−1,  1)  ( 3, −1)
    scores   q·k/√2: row 0 is ln 3, hidden; row 1 is −ln 3, 0
    weights  row 0 is 1, 0; row 1 is 1/4, 3/4
    y        weights · v                     (−1,  1)  ( 2, −1/2)
    attn     4y₀ + 1, 8y₁ + 1                (−3,  9)  ( 9, −3)
    x        embed + attn                    ( 1,  7)  ( 8,  2)     d = −3, 3
    ln_2     gain 5/3, bias (0, 1)           (−1,  2)  ( 1,  0)
    fc       n₀ + n₁ + 1, n₁ − n₀ − 1        ( 2,  2)  ( 2, −2)
    act      ReLU                            ( 2,  2)  ( 2,  0)
    mlp      −3a₀ + 6a₁ − 1, 2a₀ − 6a₁ + 1   ( 5, −7)  (−7,  5)
    h.0      x + mlp                         ( 6,  0)  ( 1,  7)     d = 3, −3
    ln_f     gain 5/3, bias (0, 1)           ( 1,  0)  (−1,  2)
    probs    softmax(ln_f · lm_headᵀ)        (1, 2, 5)/8  (3, 1, 4)/8

    loss     (−ln 2/8 − ln 3/8)/2 = ln(32/3)/2

Backward, for positions t = 0, 1. "· (1, −1)" is what a LayerNorm lets through, times
ds/dd · 1/2 = 16/125 · 1/2 = 8/125:

    dlogits  (probs − one-hot)/2: (1, −6, 5)/16, (−5, 1, 4)/16
    df_t     dlogits · lm_head, with the logarithms of lm_head
    dh_t     κ_t · (1, −1),  κ_t = 5/3 · 8/125 · (df₀ − df₁)
    dact_t   κ_t · (−5, 12), of which ReLU lets through dfc: κ_0 · (−5, 12), κ_1 · (−5, 0)
    dn_t     of ln_2: κ_0 · (−17, 7), κ_1 · (−5, −5)
    dx_t     μ_t · (1, −1),  μ_0 = κ_0 + 5/3 · 8/125 · (−24 κ_0) = −39/25 κ_0,  μ_1 = κ_1
    dy_t     μ_t · (4, −8)
    dweights of row 1, dy · v: −12 μ_1, 20 μ_1; their mean under the weights is 12 μ_1
    dscores  of row 1: 1/4 · −24 μ_1 = −6 μ_1 and 3/4 · 8 μ_1 = 6 μ_1; row 0 has a single key: 0
    dq_1     (−6 μ_1 · 1 + 6 μ_1 · 0)/√2 = −3√2 μ_1
    dk_t     ∓6 μ_1 · (−√2 ln 3)/√2 = ±6 ln 3 μ_1: their sum, the key bias's gradient, is 0
    dv_t     (4, −8) · (μ_0 + μ_1/4), (3, −6) · μ_1
    dn_t     of ln_1: (3 ln 3 μ_1 − 8 μ_0 − 2 μ_1, 4 μ_0 + μ_1), (−9 ln 3 μ_1 − 6 μ_1, 3 μ_1)
    dembed_t (μ_t + ν_t) · (1, −1),  ν_t = 8/125 · (5/3 dn₀ − 10/3 dn₁)
"""

from math import log, sqrt
from typing import Any

import numpy as np
import pytest

from conformance.compare import check_truth
from conformance.limits import limit_of
from shared.config import GPTConfig
from shared.protocol import Backend, Model

SIZES = {"vocab_size": 3, "block_size": 2, "n_layer": 1, "n_head": 1, "n_embd": 2, "n_inner": 2}
CONFIG = GPTConfig(**SIZES, activation="relu", layer_norm_epsilon=16.0)
TOKENS, TARGETS = np.array([[0, 1]]), np.array([[1, 0]])
H = "transformer.h.0."
WEIGHTS: dict[str, Any] = {
    "transformer.wte.weight": [[3, -3], [-2, 2], [9, 8]],
    "transformer.wpe.weight": [[1, 1], [1, 3]],
    f"{H}ln_1.weight": [5 / 3, 10 / 3],
    f"{H}ln_1.bias": [0, 1],
    f"{H}attn.c_attn.weight": [[sqrt(2) * log(3), 0, 1 / 2, 0, 0, 1], [0, 0, 0, 0, 1, 0]],
    f"{H}attn.c_attn.bias": [0, 0, 1 / 2, 0, 0, 0],
    f"{H}attn.c_proj.weight": [[4, 0], [0, 8]],
    f"{H}attn.c_proj.bias": [1, 1],
    f"{H}ln_2.weight": [5 / 3, 5 / 3],
    f"{H}ln_2.bias": [0, 1],
    f"{H}mlp.c_fc.weight": [[1, -1], [1, 1]],
    f"{H}mlp.c_fc.bias": [1, -1],
    f"{H}mlp.c_proj.weight": [[-3, 2], [6, -6]],
    f"{H}mlp.c_proj.bias": [-1, 1],
    "transformer.ln_f.weight": [5 / 3, 5 / 3],
    "transformer.ln_f.bias": [0, 1],
    "lm_head.weight": [[0, log(3) / 2], [log(2), log(2) / 2], [log(5), log(20) / 2]],
}
TAPS: dict[str, Any] = {
    "embed": [[4, -2], [-1, 5]],
    "h.0.ln_1": [[1, -1], [-1, 3]],
    "h.0.attn.q": [[[sqrt(2) * log(3), 0], [-sqrt(2) * log(3), 0]]],
    "h.0.attn.k": [[[1, 0], [0, 0]]],
    "h.0.attn.v": [[[-1, 1], [3, -1]]],
    "h.0.attn.scores": [[[log(3), 0], [-log(3), 0]]],
    "h.0.attn.weights": [[[1, 0], [1 / 4, 3 / 4]]],
    "h.0.attn.y": [[-1, 1], [2, -1 / 2]],
    "h.0.attn": [[-3, 9], [9, -3]],
    "h.0.ln_2": [[-1, 2], [1, 0]],
    "h.0.mlp.fc": [[2, 2], [2, -2]],
    "h.0.mlp.act": [[2, 2], [2, 0]],
    "h.0.mlp": [[5, -7], [-7, 5]],
    "h.0": [[6, 0], [1, 7]],
    "ln_f": [[1, 0], [-1, 2]],
    "logits": [[0, log(2), log(5)], [log(3), 0, log(4)]],
    "probs": [[1 / 8, 2 / 8, 5 / 8], [3 / 8, 1 / 8, 4 / 8]],
}
LOSS = log(32 / 3) / 2


def gradients() -> dict[str, Any]:
    """The gradient of every tensor, from the lines of the module's docstring."""
    df = [
        [(-6 * log(2) + 5 * log(5)) / 16, (log(3) - 6 * log(2) + 5 * log(20)) / 32],
        [(log(2) + 4 * log(5)) / 16, (-5 * log(3) + log(2) + 4 * log(20)) / 32],
    ]
    k0, k1 = (8 / 75 * (first - second) for first, second in df)
    m0, m1 = -39 / 25 * k0, k1
    v0 = m0 + m1 / 4
    n0 = [3 * log(3) * m1 - 8 * m0 - 2 * m1, 4 * m0 + m1]
    n1 = [-9 * log(3) * m1 - 6 * m1, 3 * m1]
    e0, e1 = (m + 8 / 75 * (n[0] - 2 * n[1]) for m, n in ((m0, n0), (m1, n1)))
    c0 = [0, 0, 6 * log(3) * m1, 0, 4 * v0, -8 * v0]  # of q, k, v side by side, at position 0
    c1 = [-3 * sqrt(2) * m1, 0, -6 * log(3) * m1, 0, 3 * m1, -6 * m1]
    return {
        # Every weight's gradient is the sum over positions of input times d(output).
        "lm_head.weight": [[6 / 16, -10 / 16], [-7 / 16, 2 / 16], [1 / 16, 8 / 16]],
        "transformer.ln_f.bias": [df[0][0] + df[1][0], df[0][1] + df[1][1]],
        "transformer.ln_f.weight": [3 / 5 * (df[0][0] - df[1][0]), 3 / 5 * (df[1][1] - df[0][1])],
        f"{H}mlp.c_proj.bias": [k0 + k1, -k0 - k1],
        f"{H}mlp.c_proj.weight": [[2 * k0 + 2 * k1, -2 * k0 - 2 * k1], [2 * k0, -2 * k0]],
        f"{H}mlp.c_fc.bias": [-5 * k0 - 5 * k1, 12 * k0],
        f"{H}mlp.c_fc.weight": [[5 * k0 - 5 * k1, -12 * k0], [-10 * k0, 24 * k0]],
        f"{H}ln_2.bias": [-17 * k0 - 5 * k1, 7 * k0 - 5 * k1],
        f"{H}ln_2.weight": [3 / 5 * (17 * k0 - 5 * k1), 3 / 5 * (7 * k0 + 5 * k1)],
        f"{H}attn.c_proj.bias": [m0 + m1, -m0 - m1],
        f"{H}attn.c_proj.weight": [[-m0 + 2 * m1, m0 - 2 * m1], [m0 - m1 / 2, -m0 + m1 / 2]],
        f"{H}attn.c_attn.bias": [a + b for a, b in zip(c0, c1, strict=True)],
        f"{H}attn.c_attn.weight": [
            [a - b for a, b in zip(c0, c1, strict=True)],
            [3 * b - a for a, b in zip(c0, c1, strict=True)],
        ],
        f"{H}ln_1.bias": [n0[0] + n1[0], n0[1] + n1[1]],
        f"{H}ln_1.weight": [3 / 5 * (n0[0] - n1[0]), 3 / 5 * (n1[1] - n0[1])],
        "transformer.wpe.weight": [[e0, -e0], [e1, -e1]],
        "transformer.wte.weight": [[e0, -e0], [e1, -e1], [0, 0]],  # token 2 does not occur
    }


@pytest.fixture
def small(backends: dict[str, Backend], backend_name: str) -> Model:
    weights = {name: np.array(value, dtype=np.float64) for name, value in WEIGHTS.items()}
    return backends[backend_name].build(CONFIG, weights, dtype="float64")


@pytest.mark.needs("trace")
def test_taps_by_hand(small: Model, backend_name: str) -> None:
    """Every value of the forward pass, in the order of the data flow."""
    trace, limit = small.trace(TOKENS), limit_of("taps", "float64")
    assert set(trace) == set(TAPS)
    for tap, truth in TAPS.items():
        check_truth(backend_name, trace[tap], [truth], limit, tap)


def test_logits_by_hand(small: Model, backend_name: str) -> None:
    """The fast path, too."""
    limit = limit_of("logits", "float64")
    check_truth(backend_name, small.logits(TOKENS), [TAPS["logits"]], limit, "logits")


def test_loss_by_hand(small: Model, backend_name: str) -> None:
    limit = limit_of("loss", "float64")
    check_truth(backend_name, small.loss(TOKENS, TARGETS), LOSS, limit, "loss")


@pytest.mark.needs("grads")
def test_gradients_by_hand(small: Model, backend_name: str) -> None:
    """Every tensor, from the loss backwards. What is exactly 0 by hand, like the key bias's
    gradient, may be rounding in a backend: errors are relative to its tensor's largest entry."""
    _, grads = small.loss_and_grads(TOKENS, TARGETS)
    expected, limit = gradients(), limit_of("gradients", "float64")
    assert set(grads) == set(expected)
    for key, truth in expected.items():
        check_truth(backend_name, grads[key], truth, limit, f"gradient of {key}")
