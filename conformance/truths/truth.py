"""Compares a result with a known value: computed by hand, or by an independent program."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.compare import Disagreement, check_fit, relative_error
from conformance.limits import limit_of


def check_truth(
    backend: str,
    found: np.ndarray,
    truth: np.ndarray,
    limit: float,
    what: str,
    source: str = "by hand",
) -> float:
    """The relative error of `found`, which must be at most `limit`.

    Raises:
        Disagreement: it is more, or either side is empty, not finite, or of another shape or
            precision than the other. The message gives the entry with the largest error.
    """
    check_fit(source, truth, None)
    try:
        check_fit(backend, found, truth.dtype.name)
        error = relative_error(found, truth)
    except Disagreement as disagreement:
        raise Disagreement(f"{what}: {disagreement}", culprits=(backend,)) from None
    if not error <= limit:
        difference = np.abs(found - truth)
        at = tuple(int(i) for i in np.unravel_index(difference.argmax(), difference.shape))
        raise Disagreement(
            f"{what}: {backend} is wrong by {error:.1e}, limit {limit:.0e}\n"
            f"  largest at {list(at)}:\n    {backend} {found[at]}\n    {source} {truth[at]}",
            culprits=(backend,),
        )
    return error


def check_taps(backend: str, trace: Mapping[str, np.ndarray], truths: Mapping[str, Any]) -> None:
    """Every value of a forward pass over one row, in the order of the data flow, in float64."""
    assert set(trace) == set(truths)
    for tap, value in truths.items():
        truth = np.array([value], dtype=np.float64)
        check_truth(backend, trace[tap], truth, limit_of("taps", "float64"), tap)
