"""Compare results with each other, and find out which of three backends is wrong; or with a known
value, computed by hand or by an independent program."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from shared.checkpoints.tensors import Tensors

Value = np.ndarray | float


@dataclass(frozen=True)
class Errors:
    """Relative errors between all pairs of backends on one tensor."""

    pairs: dict[tuple[str, str], float]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for pair in self.pairs for name in pair))

    def outlier(self, limit: float) -> str | None:
        """The one backend that disagrees with all others while they agree among themselves."""
        alone = [  # both if there are only two, as either may be wrong
            name
            for name in self.names
            if all(not error <= limit for pair, error in self.pairs.items() if name in pair)
            and all(error <= limit for pair, error in self.pairs.items() if name not in pair)
        ]
        return alone[0] if len(alone) == 1 else None

    def by_backend(self, limit: float) -> dict[str, float]:
        """The largest error of each backend, ignoring pairs in which the other is the outlier."""
        outlier = self.outlier(limit)
        return {
            name: max(
                error
                for pair, error in self.pairs.items()
                if name in pair and (outlier in (None, name) or outlier not in pair)
            )
            for name in self.names
        }


class Disagreement(AssertionError):
    """Backends differ by more than the limit, or a result cannot be compared."""

    def __init__(
        self,
        message: str,
        errors: Mapping[str, float] | None = None,
        culprits: tuple[str, ...] = (),
        check: str = "",
    ) -> None:
        super().__init__(message)
        self.errors = errors
        """By backend; None if they could not be computed."""
        self.culprits = culprits
        """The backends at fault; empty if unknown."""
        self.check = check
        """The check that failed, if a judge reported it."""
        self.at = ""
        """The tap or tensor at which backends diverge."""


def unfit(value: object, dtype: str | None) -> str | None:
    """Why a result cannot be compared; None for a finite array of this precision, not empty."""
    if not isinstance(value, np.ndarray):
        return f"a {type(value).__name__} instead of a NumPy array"
    if value.size == 0:
        return f"an empty array {value.shape}"
    if dtype is not None and value.dtype != dtype:
        return f"{value.dtype} where {dtype} was asked for"
    if not np.isfinite(value).all():
        at = [int(i) for i in np.argwhere(~np.isfinite(value))[0]]
        return f"{value[tuple(at)]} at {at}"
    return None


def check_fit(name: str, value: object, dtype: str | None) -> None:
    """Raises `Disagreement`, naming the backend, if a result cannot be compared."""
    if fault := unfit(value, dtype):
        raise Disagreement(f"{name} gave {fault}", culprits=(name,))


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """max |a − b| / max(|a|, |b|). Shapes must be equal, not just broadcast; 0/0 is 0; NaN on
    either side gives NaN, which exceeds every limit."""
    if a.shape != b.shape:
        raise Disagreement(f"shapes {a.shape} and {b.shape}")
    if a.size == 0:
        raise Disagreement(f"nothing to compare: shape {a.shape}")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("nan")
    difference = float(np.abs(a - b).max())
    scale = float(max(np.abs(a).max(), np.abs(b).max()))
    return 0.0 if difference == 0.0 else difference / scale


def farthest(a: np.ndarray, b: np.ndarray) -> tuple[int, ...]:
    """The index at which two arrays differ most."""
    difference = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
    at = np.nan_to_num(difference, nan=np.inf).argmax()
    return tuple(map(int, np.unravel_index(at, difference.shape)))


def compare(values: Tensors, limit: float, dtype: str | None) -> dict[str, float]:
    """The error of every backend against the others. Raises `Disagreement` for fewer than two, a
    result that cannot be compared, different shapes, or a pair beyond the limit; the message names
    the outlier, the entry and its values."""
    if len(values) < 2:
        raise Disagreement(ALONE)
    check_comparable(values, dtype)
    pairs = {(a, b): relative_error(values[a], values[b]) for a, b in combinations(values, 2)}
    errors = Errors(pairs)
    found, outlier = errors.by_backend(limit), errors.outlier(limit)
    if not all(error <= limit for error in pairs.values()):
        culprits = (outlier,) if outlier else ()
        raise Disagreement(describe(values, errors, limit), found, culprits)
    return found


ALONE = "a comparison needs at least two backends"
PEERS = 2.0
"""The allowed ratio of a float32 error to the largest error of the other backends."""


def compare_with_truth(
    values: Tensors, truths: Tensors, floor: float, ceiling: float, dtype: str
) -> dict[str, float]:
    """The error of every backend against the truth: the median of the float64 models. A backend
    that is alone in a precision is judged by the float64 models of the others.

    An error may be at most twice the largest error of the other backends: then it comes from the
    precision, not the algorithm. (FlashAttention's tests use the same rule.) Errors below `floor`
    always pass; errors above `ceiling` never do. Raises `Disagreement` as `compare` does; every
    backend beyond its limit is at fault."""
    if len({*values, *truths}) < 2:
        raise Disagreement(ALONE)
    check_comparable(values, dtype)
    truth = np.median(np.stack(list(truths.values())), axis=0)
    errors = {name: relative_error(value, truth) for name, value in values.items()}
    limits = {}
    for name in values:
        others = [e for other, e in errors.items() if other != name and np.isfinite(e)]
        limits[name] = min(ceiling, max(floor, PEERS * max(others, default=0.0)))
    wrong = tuple(name for name in values if not errors[name] <= limits[name])
    if wrong:
        one = values[wrong[0]]
        at = farthest(one, truth)
        lines = [f"{' and '.join(wrong)}: too far from the float64 result"]
        lines += [f"    {name} {e:.1e}, limit {limits[name]:.1e}" for name, e in errors.items()]
        lines += [f"  largest at {list(at)}: {wrong[0]} {one[at]}, float64 {truth[at]}"]
        raise Disagreement("\n".join(lines), errors, wrong)
    return errors


def check_comparable(values: Tensors, dtype: str | None) -> None:
    """Raises `Disagreement` unless the results are comparable and have the same shape."""
    faults = {name: fault for name, value in values.items() if (fault := unfit(value, dtype))}
    if faults:
        gave = "; ".join(f"{name} gave {fault}" for name, fault in faults.items())
        raise Disagreement(gave, culprits=tuple(faults))
    shapes = {name: value.shape for name, value in values.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        pairs = {(a, b): float(shapes[a] != shapes[b]) for a, b in combinations(shapes, 2)}
        odd = Errors(pairs).outlier(0.0)
        raise Disagreement(f"shapes differ: {listed}", culprits=(odd,) if odd else ())


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


def describe(values: Tensors, errors: Errors, limit: float) -> str:
    """Describe the outlier, the errors, and the entry where the difference is largest."""
    outlier = errors.outlier(limit)
    (a, b), _ = max(errors.pairs.items(), key=lambda item: item[1])
    at = farthest(values[a], values[b])
    who = f"{outlier} stands alone" if outlier else "no backend stands alone: every one is suspect"
    if len(values) == 2:
        who = f"{a} and {b} differ, and two backends cannot show which is right"
    lines = [who, f"  errors, where the limit is {limit:.0e}:"]
    lines += [f"    {a}–{b} {error:.1e}" for (a, b), error in errors.pairs.items()]
    lines += [f"  largest at {list(at)}:"]
    lines += [f"    {name} {value[at]}" for name, value in values.items()]
    return "\n".join(lines)
