"""The masks of dropout: which bits they come from, and that they are uncorrelated."""

from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import BASE
from conformance.truths.by_definition import philox_words
from shared.config import GPTConfig
from shared.dropout import dropout_masks, keep_share

LARGE = replace(BASE, block_size=64, n_embd=64, dropout=0.3)
SIGMAS = 5
"""One false alarm in two million tests of a number; there are fifty."""


def masks(config: GPTConfig = LARGE, seed: int = 1, step: int = 7) -> dict[str, np.ndarray]:
    return dropout_masks(config, seed, step, 12, config.block_size)


def deviation(a: np.ndarray, b: np.ndarray) -> float:
    """The correlation of two masks, in standard deviations of that of independent ones."""
    a, b = (x.ravel().astype(float) for x in (a, b))
    return abs(float(np.corrcoef(a, b)[0, 1])) * float(np.sqrt(a.size))


def test_masks_are_philox() -> None:
    """Sixteen bits per number, four numbers per word, the lowest first; a number is kept if its
    bits are not below the share that is dropped. Each site has its own part of the generator. A row
    does not depend on how many follow it."""
    few = dropout_masks(LARGE, 1, 7, 3, LARGE.block_size)
    assert all(np.array_equal(few[name], mask[:3]) for name, mask in masks().items())
    config = replace(BASE, dropout=0.2)
    found = dropout_masks(config, 5, 10**12, 3, 3)
    for part, (name, mask) in enumerate(found.items()):
        words = philox_words(5, 4, 10**12, part, -(-mask.size // 4))
        bits = [word >> 16 * i & 0xFFFF for word in words for i in range(4)][: mask.size]
        assert mask.ravel().tolist() == [each >= 13107 for each in bits], name


def test_sites_are_those_of_gpt2() -> None:
    B, H, T, C = 12, LARGE.n_head, LARGE.block_size, LARGE.n_embd
    expected = {"drop": (B, T, C)}
    for i in range(LARGE.n_layer):
        expected[f"h.{i}.attn.attn_dropout"] = (B, H, T, T)
        expected[f"h.{i}.attn.resid_dropout"] = expected[f"h.{i}.mlp.dropout"] = (B, T, C)
    assert {name: mask.shape for name, mask in masks().items()} == expected
    assert masks(replace(LARGE, dropout=0.0)) == {}
    assert {mask.dtype for mask in masks().values()} == {np.dtype(bool)}


@pytest.mark.parametrize("dropout", [1e-4, 0.1, 0.3, 0.5, 0.9, 0.9999999])
def test_the_share_that_is_kept(dropout: float) -> None:
    """It is `keep_share`, by which kept values are divided, so the mean does not change."""
    keep = keep_share(dropout)
    assert keep > 0
    assert abs(keep - (1 - dropout)) <= 2**-17 or keep == 2**-16
    for name, mask in masks(replace(LARGE, dropout=dropout)).items():
        expected = np.sqrt(mask.size * keep * (1 - keep))
        assert abs(mask.sum() - mask.size * keep) <= SIGMAS * expected, name


def test_neighbours_do_not_go_together() -> None:
    """No correlation along any axis: rows of the batch, heads, positions, channels."""
    for name, mask in masks().items():
        for axis in range(mask.ndim):
            for lag in (1, 2):
                here = np.delete(mask, np.s_[-lag:], axis)
                there = np.delete(mask, np.s_[:lag], axis)
                assert deviation(here, there) < SIGMAS, (name, axis, lag)


def test_sites_layers_steps_and_seeds_do_not_go_together() -> None:
    """All pairs of masks of one shape are compared."""
    every = [masks(), masks(step=8), masks(seed=2), masks(seed=7, step=1)]
    flat = [mask for one in every for mask in one.values() if mask.shape[1:] == (64, 64)]
    assert len(flat) == 4 * 5
    for i, a in enumerate(flat):
        assert all(deviation(a, b) < SIGMAS for b in flat[:i])
