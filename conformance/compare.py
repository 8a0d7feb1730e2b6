"""How two results are compared, and how three of them say who is wrong."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass(frozen=True)
class Errors:
    """Relative errors between all pairs of backends on one tensor."""

    pairs: dict[tuple[str, str], float]

    @property
    def largest(self) -> float:
        return max(self.pairs.values())

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for pair in self.pairs for name in pair))

    def outlier(self, limit: float) -> str | None:
        """The one backend that disagrees with all others while they agree among themselves."""
        alone = [
            name
            for name in self.names
            if all(error > limit for pair, error in self.pairs.items() if name in pair)
            and all(error <= limit for pair, error in self.pairs.items() if name not in pair)
        ]
        return alone[0] if len(alone) == 1 and len(self.names) > 2 else None

    def of(self, name: str, limit: float) -> float:
        """The largest error of one backend, without pairs in which the other is the outlier."""
        outlier = self.outlier(limit)
        return max(
            error
            for pair, error in self.pairs.items()
            if name in pair and (outlier is None or name == outlier or outlier not in pair)
        )


class Disagreement(AssertionError):
    """Backends differ by more than the limit, or a result is not fit to be compared."""

    def __init__(self, message: str, errors: Errors | None = None) -> None:
        super().__init__(message)
        self.errors = errors


def check_fit(name: str, value: np.ndarray, dtype: str | None) -> None:
    """A result must be a non-empty array of the promised precision, without NaN or infinity."""
    if not isinstance(value, np.ndarray):
        raise Disagreement(f"{name} gave a {type(value).__name__} instead of a NumPy array")
    if value.size == 0:
        raise Disagreement(f"{name} gave an empty array {value.shape}")
    if dtype is not None and value.dtype != dtype:
        raise Disagreement(f"{name} gave {value.dtype} where {dtype} was asked for")
    if not np.isfinite(value).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise Disagreement(f"{name} gave {value[at]} at {at}")


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    """max |a − b| / max(|a|, |b|). Shapes must be equal, not just broadcast; 0/0 is 0."""
    if a.shape != b.shape:
        raise Disagreement(f"shapes {a.shape} and {b.shape}")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    difference = float(np.abs(a - b).max())
    scale = float(max(np.abs(a).max(), np.abs(b).max()))
    return 0.0 if difference == 0.0 else difference / scale


def compare(values: dict[str, np.ndarray], limit: float, dtype: str | None) -> Errors:
    """The errors of all pairs, each against each.

    Raises:
        Disagreement: fewer than two backends, a result that is not fit, shapes that differ, or a
            pair beyond the limit. The message names who stands alone, where, and the values there.
    """
    if len(values) < 2:
        raise Disagreement("a comparison needs at least two backends")
    for name, value in values.items():
        check_fit(name, value, dtype)
    shapes = {name: value.shape for name, value in values.items()}
    if len(set(shapes.values())) > 1:
        raise Disagreement(f"shapes differ: {shapes}")
    pairs = {(a, b): relative_error(values[a], values[b]) for a, b in combinations(values, 2)}
    errors = Errors(pairs)
    if not errors.largest <= limit:
        raise Disagreement(describe(values, errors, limit), errors)
    return errors


def describe(values: dict[str, np.ndarray], errors: Errors, limit: float) -> str:
    """Who stands alone, by how much, and the entry where the difference is largest."""
    outlier = errors.outlier(limit)
    (a, b), _ = max(errors.pairs.items(), key=lambda item: item[1])
    difference = np.abs(np.asarray(values[a], np.float64) - np.asarray(values[b], np.float64))
    at = tuple(int(i) for i in np.unravel_index(difference.argmax(), difference.shape))
    who = f"{outlier} stands alone" if outlier else "no backend stands alone: every one is suspect"
    if len(values) == 2:
        who = f"{a} and {b} differ, and with two backends nobody can say which is right"
    table = ", ".join(f"{a}–{b} {error:.1e}" for (a, b), error in errors.pairs.items())
    entries = ", ".join(f"{name} {value[at]!r}" for name, value in values.items())
    return f"{who}; relative errors {table}; limit {limit:.0e}; at {at}: {entries}"
