"""The random numbers of shared/randomness.py against Philox in integer arithmetic."""

import itertools
import random

import numpy as np
import pytest

from conformance.truths.by_definition import philox
from shared import randomness
from shared.randomness import generator, uniform

LARGEST = 2**63 - 1
SEEDS, POSITIONS = (0, 1, 1337, LARGEST), (0, 1, 7, 10**12, LARGEST)

UNIFORMS = {
    **{(0, 0): 0.8144335776159864, (1, 0): 0.30931491118583454, (1, 1): 0.6533393279672772},
    **{(1, 2): 0.7516423670452285, (1, 10**12): 0.9740537371679786},
    **{(7, LARGEST): 0.8918580752230622, (LARGEST, 5): 0.6727105477967115},
}


def test_uniforms_are_these() -> None:
    """By (seed, position); bit for bit, on every machine."""
    assert {at: uniform(*at) for at in UNIFORMS} == UNIFORMS
    assert all(type(uniform(*at)) is float for at in UNIFORMS)


@pytest.mark.parametrize("stream", range(5))
def test_generators_are_philox(stream: int) -> None:
    """Ten numbers, which are three blocks of the cipher, for small and the largest arguments."""
    for seed, position in itertools.product(SEEDS, POSITIONS):
        expected = philox(seed, stream, position, 10)
        assert generator(seed, stream, position).random(10).tolist() == expected, (seed, position)
    assert generator(5, stream).random() == philox(5, stream, 0, 1)[0], "without a position: 0"


def test_streams_are_numbered() -> None:
    """Earlier trainings and texts must stay reproducible: the numbers never change."""
    names = ("WEIGHTS", "BATCHES", "SAMPLES", "PLAYLETS", "DROPOUT")
    assert [getattr(randomness, name) for name in names] == [0, 1, 2, 3, 4]
    for seed, position in itertools.product(SEEDS, POSITIONS):
        assert uniform(seed, position) == philox(seed, 2, position, 1)[0], "not of SAMPLES"


def test_nothing_else_matters() -> None:
    """They neither use nor change the global generators, and do not depend on earlier calls."""
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = [uniform(3, position) for position in range(5)]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    assert [uniform(3, position) for position in reversed(range(5))] == first[::-1]
