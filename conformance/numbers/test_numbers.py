"""Parts of the model at points where their values are known, and models of other programs.

Backends that share a mistake agree with each other. So these tests compare with literals: 50-digit
arithmetic (mpmath 1.3.0) rounded to float64, and the digits of conformance/truths/known_models.py.
"""

from collections.abc import Callable

import numpy as np
import pytest

from conformance.truths.known_models import KNOWN, TARGETS, TOKENS, Known, formula_weights, slope
from conformance.truths.truth import check_truth
from shared.config import GPTConfig
from shared.layout import tensor_shapes
from shared.protocol import Backend, Model

Build = Callable[[GPTConfig, dict[str, np.ndarray]], Model]

LIMIT = 1e-13
"""A thousand roundings of float64. A value here takes about ten operations, with a measured error
of 2e-15 at most; the rest is for libraries with a worse tanh and erf."""


@pytest.fixture
def build(backends: dict[str, Backend], backend_name: str) -> Build:
    """A model of the backend under test, in float64."""
    return lambda config, weights: backends[backend_name].build(config, weights, dtype="float64")


# Activations

MPMATH = "mpmath"
VALUES = np.array([-40.0, -5.0, -3.0, -1.0, -0.25, 0.0, 0.25, 1.0, 3.0, 5.0, 40.0])
POINTS = np.resize(VALUES, 40)
"""Repeated, for a hidden layer of 40."""
ACTIVATIONS = {
    # x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), Hendrycks & Gimpel 2016, §2. At −40 the value is
    # −4e-2010, which float64 cannot tell from 0.
    "gelu_tanh": (
        *(0.0, -2.291796196629506e-07, -0.003637392081773019, -0.1588080093917233),
        *(-0.100324649298315, 0.0, 0.149675350701685, 0.8411919906082767),
        *(2.996362607918227, 4.999999770820381, 40.0),
    ),
    # x/2 (1 + erf(x/√2)), the same paper. At −40: −1e-348.
    "gelu_erf": (
        *(0.0, -1.4332578593959695e-06, -0.0040496940948902835, -0.15865525393145705),
        *(-0.10032341857926907, 0.0, 0.14967658142073093, 0.8413447460685429),
        *(2.99595030590511, 4.999998566742141, 40.0),
    ),
    # max(x, 0)
    "relu": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 1.0, 3.0, 5.0, 40.0),
}
DERIVATIVES = {
    # (1 + tanh u)/2 + x/2 (1 − tanh² u) √(2/π) (1 + 0.134145 x²), u as above
    "gelu_tanh": (
        *(0.0, -1.5463619875325946e-06, -0.011584166630969726, -0.08296408384578256),
        *(0.30464590484893957, 0.5, 0.6953540951510604, 1.0829640838457826),
        *(1.0115841666309697, 1.0000015463619875, 1.0),
    ),
    # Φ(x) + x exp(−x²/2)/√(2π)
    "gelu_erf": (
        *(0.0, -7.146946001792295e-06, -0.011945647204183927, -0.0833154705876863),
        *(0.30462664511636397, 0.5, 0.695373354883636, 1.0833154705876863),
        *(1.0119456472041839, 1.0000071469460018, 1.0),
    ),
    # At 0 the convention of PyTorch, JAX and TensorFlow.
    "relu": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0),
}


def activation_model(build: Build, activation: str) -> Model:
    """A model whose first MLP has just POINTS in its hidden layer, for all tokens: its c_fc has
    weights 0, and its c_proj adds their sum to the first channel."""
    config = {known.config.activation: known.config for known in KNOWN.values()}[activation]
    assert config.inner_size == len(POINTS)
    weights = formula_weights(config)
    mlp = "transformer.h.0.mlp."
    weights[f"{mlp}c_fc.weight"][:] = 0
    weights[f"{mlp}c_fc.bias"] = POINTS.copy()
    weights[f"{mlp}c_proj.weight"][:] = np.eye(config.n_embd)[0]
    return build(config, weights)


@pytest.mark.needs("trace")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation(build: Build, backend_name: str, activation: str) -> None:
    """f(x)/x lies between 0 and 1 for all three, so one limit fits all points but 0; and f(0) is
    0, exactly."""
    trace = activation_model(build, activation).trace(TOKENS)
    shape = (*TOKENS.shape, len(POINTS))
    fc, act = trace["h.0.mlp.fc"], trace["h.0.mlp.act"]
    check_truth(backend_name, fc, np.broadcast_to(POINTS, shape), 0.0, f"points of {activation}")
    truth = np.broadcast_to(np.resize(ACTIVATIONS[activation], 40), shape)
    gate, zero = np.where(POINTS == 0, 1, POINTS), POINTS == 0
    check_truth(backend_name, act[..., zero], truth[..., zero], 0.0, f"{activation}(0)", MPMATH)
    check_truth(backend_name, act / gate, truth / gate, LIMIT, f"{activation}(x)/x", MPMATH)


@pytest.mark.needs("grads")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivative(build: Build, backend_name: str, activation: str) -> None:
    """By the chain rule the gradient of a bias of c_fc is f'(x) times that of the first bias of
    c_proj, for that is where the hidden layer is added up."""
    _, grads = activation_model(build, activation).loss_and_grads(TOKENS, TARGETS)
    mlp = "transformer.h.0.mlp."
    found = grads[f"{mlp}c_fc.bias"] / grads[f"{mlp}c_proj.bias"][0]
    truth = np.resize(DERIVATIVES[activation], 40)
    check_truth(backend_name, found, truth, LIMIT, f"derivative of {activation}", MPMATH)


# Positions

ROWS = {
    # sin and cos of t, t/10000^(1/3) and t/10000^(2/3)
    0: (0.0, 1.0, 0.0, 1.0, 0.0, 1.0),
    1: (
        *(0.8414709848078965, 0.5403023058681398),
        *(0.046399223464731275, 0.9989229760406304),
        *(0.002154433023365604, 0.9999976792064809),
    ),
    2: (
        *(0.9092974268256817, -0.4161468365471424),
        *(0.09269850077872723, 0.9956942241237399),
        *(0.004308856046742812, 0.9999907168366957),
    ),
    63: (
        *(0.16735570030280691, 0.9858965815825497),
        *(0.21568343900380058, -0.9764633398850639),
        *(0.1353130241772046, 0.990802899414419),
    ),
    1000: (
        *(0.826879540532003, 0.562379076290703),
        *(0.6503168595863045, -0.7596630714585294),
        *(0.8344632077604135, -0.5510636577512629),
    ),
}
"""Vaswani et al. 2017, §3.5: PE(t, 2i) = sin(t/10000^(2i/C)), PE(t, 2i+1) = cos of the same; C = 6.
By mpmath."""


@pytest.mark.needs("trace")
def test_sinusoids(build: Build, backend_name: str) -> None:
    """With a token embedding of 0 the first tap is the table. An angle of t is rounded to within
    t/2^53 by each of the two or three operations it takes, and its sine is wrong by no more."""
    config = GPTConfig(
        2, block_size=1024, n_layer=1, n_head=1, n_embd=6, n_inner=1, position="sinusoidal"
    )
    weights = {name: np.zeros(shape) for name, shape in tensor_shapes(config).items()}
    embed = build(config, weights).trace(np.zeros((1, 1001), dtype=np.int64))["embed"]
    assert embed.shape == (1, 1001, 6)
    for t, row in ROWS.items():
        limit = max(t, 16) * 4 * 2.0**-53
        check_truth(backend_name, embed[0, t], row, limit, f"position {t}", MPMATH)


# Whole models

LIMIT_OF_MODELS = 1e-12
"""Programs and backends differ by 2e-15 at most, in the slope, a sum of some 15,000 products; other
processors and versions may sum in another order."""

each_known = pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)


@each_known
def test_logits_as_another_program_has_them(build: Build, backend_name: str, known: Known) -> None:
    """The first five at the last position of the last row, by the fast path."""
    logits = build(known.config, formula_weights(known.config)).logits(TOKENS)
    assert logits.shape == (*TOKENS.shape, known.config.vocab_size)
    found, limit = logits[-1, -1, :5], LIMIT_OF_MODELS
    check_truth(backend_name, found, known.logits, limit, "logits", known.source)


@each_known
@pytest.mark.needs("grads")
def test_loss_and_slope_as_another_program_has_them(
    build: Build, backend_name: str, known: Known
) -> None:
    """The loss, and its derivative along a direction that involves every weight."""
    model = build(known.config, formula_weights(known.config))
    loss, grads = model.loss_and_grads(TOKENS, TARGETS)
    check_truth(backend_name, loss, known.loss, LIMIT_OF_MODELS, "loss", known.source)
    found = slope(known.config, grads)
    check_truth(backend_name, found, known.slope, LIMIT_OF_MODELS, "slope", known.source)
