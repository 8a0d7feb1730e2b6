"""Compares the values of a backend with those of an outside program, and records the errors."""

from collections import defaultdict

from conformance.compare import Value
from conformance.limits import limit_of
from conformance.truths.truth import check_truth
from shared.checkpoints.tensors import Tensors

LIMIT = limit_of("logits", "float64")
"""For everything in float64. Rounding leaves less than 1e-12, as the table at the end shows. The
mildest bug that was tried, erf for tanh in GELU, leaves 1e-4."""

ERRORS: dict[tuple[str, str], float] = defaultdict(float)
"""The largest error so far, by check and backend."""


def agrees(
    backend: str, check: str, found: Value, truth: Value, source: str, what: str = ""
) -> None:
    """Raises `Disagreement` unless `found`, of the backend, is `truth`, of `source`."""
    error = check_truth(backend, found, truth, LIMIT, what or check, source)
    key = (f"{source}: {check}", backend)
    ERRORS[key] = max(error, ERRORS[key])


def all_agree(backend: str, check: str, found: Tensors, truth: Tensors, source: str) -> None:
    """Check that the names are equal and every tensor agrees, in the order of `truth`."""
    odd = sorted(set(found) ^ set(truth))
    assert not odd, f"{check}: {backend} lacks or invents {', '.join(odd)}"
    for name, value in truth.items():
        agrees(backend, check, found[name], value, source, f"{check} of {name}")
