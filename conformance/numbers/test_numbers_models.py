"""Whole models compared with digits from other programs, and with sizes from papers."""

import numpy as np
import pytest

from conformance.truths.known_models import KNOWN, TARGETS, TOKENS, Known, formula_weights, slope
from conformance.truths.truth import check_truth
from shared.config import GPTConfig
from shared.layout import init_weights
from shared.protocol import Backend, Model

LIMIT = 1e-12
"""Programs and backends differ by 2e-15 at most, in the slope, a sum of some 15,000 products; other
processors and versions may sum in another order."""


@pytest.fixture(params=KNOWN)
def known(request: pytest.FixtureRequest) -> Known:
    return KNOWN[request.param]


@pytest.fixture
def model(backends: dict[str, Backend], backend_name: str, known: Known) -> Model:
    """The known model in the backend under test."""
    weights = formula_weights(known.config)
    return backends[backend_name].build(known.config, weights, dtype="float64")


def test_logits_as_another_program_has_them(model: Model, backend_name: str, known: Known) -> None:
    """The first five at the last position of the last row, by the fast path."""
    logits = model.logits(TOKENS)
    assert logits.shape == (*TOKENS.shape, known.config.vocab_size)
    check_truth(
        backend_name, logits[-1, -1, :5], np.array(known.logits), LIMIT, "logits", known.source
    )


@pytest.mark.needs("grads")
def test_loss_and_slope_as_another_program_has_them(
    model: Model, backend_name: str, known: Known
) -> None:
    """The loss, and its derivative along a direction that involves every weight."""
    loss, grads = model.loss_and_grads(TOKENS, TARGETS)
    check_truth(backend_name, np.array([loss]), np.array([known.loss]), LIMIT, "loss", known.source)
    found = np.array([slope(known.config, grads)])
    check_truth(backend_name, found, np.array([known.slope]), LIMIT, "slope", known.source)


# Sizes: V = 65, and what GPTConfig has by default: T 64, 4 blocks, C 128, F 512

DEFAULT = {
    "transformer.wte.weight": (65, 128),
    "transformer.wpe.weight": (64, 128),
    **{
        f"transformer.h.{i}.{name}": shape
        for i in range(4)
        for name, shape in {
            "ln_1.weight": (128,),
            "ln_1.bias": (128,),
            "attn.c_attn.weight": (128, 384),
            "attn.c_attn.bias": (384,),
            "attn.c_proj.weight": (128, 128),
            "attn.c_proj.bias": (128,),
            "ln_2.weight": (128,),
            "ln_2.bias": (128,),
            "mlp.c_fc.weight": (128, 512),
            "mlp.c_fc.bias": (512,),
            "mlp.c_proj.weight": (512, 128),
            "mlp.c_proj.bias": (128,),
        }.items()
    },
    "transformer.ln_f.weight": (128,),
    "transformer.ln_f.bias": (128,),
    "lm_head.weight": (65, 128),
}
COUNTS = {
    # A block has 12 C² + 13 C = 198,272; four of them 793,088.
    "default": (GPTConfig(65), 8_320 + 8_192 + 793_088 + 256 + 8_320),
    # Without lm_head.
    "tied": (GPTConfig(65, tie_weights=True), 809_856),
    # A block has 12 C² + 2 C = 196,864; ln_f 128.
    "without biases": (GPTConfig(65, bias=False), 8_320 + 8_192 + 787_456 + 128 + 8_320),
    # Neither a table of positions nor ln_f.
    "original": (GPTConfig(65, norm="post", position="sinusoidal"), 8_320 + 793_088 + 8_320),
}


@pytest.mark.parametrize("name", COUNTS)
def test_sizes(backends: dict[str, Backend], backend_name: str, name: str) -> None:
    """The number of parameters of a backend's model, without those that a configuration omits; in
    the default model every tensor, by name and shape."""
    config, count = COUNTS[name]
    model = backends[backend_name].build(config, init_weights(config, seed=0))
    shapes = {tensor: value.shape for tensor, value in model.weights().items()}
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == count
    if name == "default":
        assert shapes == DEFAULT
