"""Whether answers agree: within a limit, or bit for bit."""

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

import numpy as np

from conformance.compare import Disagreement, compare


def flat(value: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """The arrays in an answer by dotted names, and its floats as arrays."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, float):
        yield name, np.array([value])
    elif isinstance(value, tuple):
        yield from flat(dict(enumerate(value)), name)
    elif is_dataclass(value):
        yield from flat(vars(value), name)
    elif isinstance(value, Mapping):
        for key in value:
            yield from flat(value[key], f"{name}.{key}".removeprefix("."))


def check_alike(
    what: str, answers: Mapping[str, Any], limit: float, dtype: str, floor: float
) -> None:
    """Check that the answers of the backends agree. Errors are relative to the largest entry of the
    whole answer, or to `floor` if that is larger: in a small random model, all entries may be near
    zero by chance, while rounding is not.

    Raises:
        Disagreement: they do not, or differ in names, shapes or precision.
    """
    if len(answers) < 2:  # the others do not claim it
        return
    flats = {name: dict(flat(answer)) for name, answer in answers.items()}
    if len({frozenset(arrays) for arrays in flats.values()}) > 1:
        listed = {name: sorted(arrays) for name, arrays in flats.items()}
        raise Disagreement(f"{what}: not all gave the same: {listed}")
    sizes = {
        key: size([arrays[key] for arrays in flats.values()]) for key in next(iter(flats.values()))
    }
    scale = max([floor, *sizes.values()])
    for key, own in sizes.items():
        values = {name: arrays[key] for name, arrays in flats.items()}
        try:
            compare(values, limit * scale / own if own else limit, dtype)
        except Disagreement as found:
            message = f"{what} {key}".rstrip() + f": {found}"
            raise Disagreement(message, found.errors, found.culprits) from None


def size(arrays: list[np.ndarray]) -> float:
    """The largest finite entry."""
    return max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays)


def check_same(what: str, found: Any, expected: Any) -> None:
    """Raises `Disagreement` unless both hold the same arrays, bit for bit."""
    ours, theirs = dict(flat(found)), dict(flat(expected))
    odd = sorted(ours.keys() ^ theirs.keys()) or [
        key
        for key, array in theirs.items()
        if ours[key].dtype != array.dtype or not np.array_equal(ours[key], array)
    ]
    if odd:
        raise Disagreement(f"{what}: {odd[0]} is not what was handed over")
