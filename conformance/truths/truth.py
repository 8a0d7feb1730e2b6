"""Compares a result with a known value: computed by hand, or by an independent program."""

from typing import Any

import numpy as np

from conformance.compare import Disagreement, Value, check_fit, farthest, relative_error


def check_truth(
    backend: str, found: Value, truth: Any, limit: float, what: str, source: str = "by hand"
) -> float:
    """The relative error of `found`, at most `limit`, from `truth`, a float, an array, or a list.
    Raises `Disagreement` if it is larger, or either side is empty, not finite, or of another shape
    or precision than the other; the message gives the entry with the largest error."""
    if isinstance(found, float):
        found, truth = np.array([found]), np.array([truth])
    truth = np.asarray(truth, np.float64)
    check_fit(source, truth, None)
    try:
        check_fit(backend, found, "float64")
        error = relative_error(found, truth)
    except Disagreement as disagreement:
        raise Disagreement(f"{what}: {disagreement}", culprits=(backend,)) from None
    if not error <= limit:
        at = farthest(found, truth)
        raise Disagreement(
            f"{what}: {backend} is wrong by {error:.1e}, limit {limit:.0e}\n"
            f"  largest at {list(at)}:\n    {backend} {found[at]}\n    {source} {truth[at]}",
            culprits=(backend,),
        )
    return error
