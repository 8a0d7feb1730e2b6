"""Parts of the model at points where their values are known, and models of other programs. Backends
that share a mistake agree with each other. So these tests compare with the digits in
conformance/truths/digits.toml, from 50-digit arithmetic and from other programs."""

from collections.abc import Callable

import numpy as np
import pytest

from conformance.compare import check_truth
from conformance.truths import known_models
from conformance.truths.known_models import DIGITS, KNOWN, TARGETS, TOKENS, Known, formula_weights
from shared.config import GPTConfig
from shared.layout import tensor_shapes
from shared.protocol import Backend, Model

Build = Callable[[GPTConfig, dict[str, np.ndarray]], Model]

LIMIT = 1e-13
"""A thousand roundings of float64. A value here takes about ten operations, with a measured error
of 2e-15 at most; the rest is for libraries with less accurate tanh and erf."""


@pytest.fixture
def build(backends: dict[str, Backend], backend_name: str) -> Build:
    """A model of the backend under test, in float64."""
    return lambda config, weights: backends[backend_name].build(config, weights, dtype="float64")


# Activations

MPMATH = "mpmath"
VALUES = np.array([-40.0, -5.0, -3.0, -1.0, -0.25, 0.0, 0.25, 1.0, 3.0, 5.0, 40.0])
POINTS = np.resize(VALUES, 40)
"""Repeated, for a hidden layer of 40."""
ACTIVATIONS: dict[str, dict[str, list[float]]] = DIGITS["activations"]


def activation_model(build: Build, activation: str) -> Model:
    """A model whose first MLP has exactly POINTS in its hidden layer, for all tokens: its c_fc has
    weights 0, and its c_proj adds the sum of the layer to the first channel."""
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
    """f(x)/x is between 0 and 1 for all three, so one limit fits all points; f(0) is exactly 0."""
    trace = activation_model(build, activation).trace(TOKENS)
    shape = (*TOKENS.shape, len(POINTS))
    fc, act = trace["h.0.mlp.fc"], trace["h.0.mlp.act"]
    check_truth(backend_name, fc, np.broadcast_to(POINTS, shape), 0.0, f"points of {activation}")
    truth = np.broadcast_to(np.resize(ACTIVATIONS[activation]["values"], 40), shape)
    gate, zero = np.where(POINTS == 0, 1, POINTS), POINTS == 0
    check_truth(backend_name, act[..., zero], truth[..., zero], 0.0, f"{activation}(0)", MPMATH)
    check_truth(backend_name, act / gate, truth / gate, LIMIT, f"{activation}(x)/x", MPMATH)


@pytest.mark.needs("grads")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivative(build: Build, backend_name: str, activation: str) -> None:
    """By the chain rule, the gradient of a bias of c_fc is f'(x) times that of the first bias of
    c_proj, because that is where the hidden layer is summed."""
    _, grads = activation_model(build, activation).loss_and_grads(TOKENS, TARGETS)
    mlp = "transformer.h.0.mlp."
    found = grads[f"{mlp}c_fc.bias"] / grads[f"{mlp}c_proj.bias"][0]
    truth = np.resize(ACTIVATIONS[activation]["derivatives"], 40)
    check_truth(backend_name, found, truth, LIMIT, f"derivative of {activation}", MPMATH)


# Positions


@pytest.mark.needs("trace")
def test_sinusoids(build: Build, backend_name: str) -> None:
    """With a token embedding of 0, the first tap is the table. Each of the two or three operations
    on an angle of t rounds it to within t/2^53, and the error of its sine is no larger."""
    config = GPTConfig(2, 1024, n_layer=1, n_head=1, n_embd=6, n_inner=1, position="sinusoidal")
    weights = {name: np.zeros(shape) for name, shape in tensor_shapes(config).items()}
    embed = build(config, weights).trace(np.zeros((1, 1001), dtype=np.int64))["embed"]
    assert embed.shape == (1, 1001, 6)
    for t, row in ((int(t), row) for t, row in DIGITS["sinusoids"].items()):
        limit = max(t, 16) * 4 * 2.0**-53
        check_truth(backend_name, embed[0, t], row, limit, f"position {t}", MPMATH)


# Whole models

LIMIT_OF_MODELS = 1e-12
"""Programs and backends differ by 2e-15 at most, in the slope, a sum of some 15,000 products. Other
processors and versions may sum in another order."""

each_known = pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)


@each_known
def test_logits_as_another_program_has_them(build: Build, backend_name: str, known: Known) -> None:
    """The first five logits at the last position of the last row, by the fast path."""
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
    found = known_models.slope(known.config, grads)
    check_truth(backend_name, found, known.slope, LIMIT_OF_MODELS, "slope", known.source)
