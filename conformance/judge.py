"""The judge: compares, remembers the largest error of every check, and locates what is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from conformance.compare import Disagreement, Errors, compare
from conformance.limits import ORDER, limit_of
from shared.backend import Model
from shared.taps import tap_names
from shared.weights import tensor_shapes


@dataclass
class Row:
    """One line of the final table: a check in one precision."""

    check: str
    dtype: str
    limit: float
    errors: dict[str, float] = field(default_factory=dict)
    """Largest error so far by backend."""
    failed: set[str] = field(default_factory=set)
    """Backends that stand alone, or all of them when nobody can say which."""
    cases: set[str] = field(default_factory=set)

    def add(self, backend: str, error: float) -> None:
        self.errors[backend] = max(error, self.errors.get(backend, 0.0))


class Ledger:
    """The rows of the table."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}

    def in_order(self) -> list[Row]:
        """In the order of the data flow; float64 first."""
        return sorted(
            self.rows.values(), key=lambda row: (row.dtype != "float64", ORDER.index(row.check))
        )

    def row(self, check: str, dtype: str, limit: float) -> Row:
        return self.rows.setdefault((check, dtype), Row(check, dtype, limit))


class Judge:
    """Judges the backends on one case in one precision."""

    def __init__(self, ledger: Ledger, case: str, dtype: str) -> None:
        self.ledger, self.case, self.dtype = ledger, case, dtype

    def agree(self, check: str, values: Mapping[str, np.ndarray | float], what: str = "") -> Errors:
        """All backends gave the same, within the limit of `check`; a float stands for one number.

        Raises:
            Disagreement: with the check, the case, and what `compare` has to say.
        """
        limit = limit_of(check, self.dtype)
        row = self.ledger.row(check, self.dtype, limit)
        row.cases.add(self.case)
        arrays = {
            name: np.array([value]) if isinstance(value, float) else value
            for name, value in values.items()
        }
        dtype = None if any(isinstance(v, float) for v in values.values()) else self.dtype
        try:
            errors = compare(arrays, limit, dtype)
        except Disagreement as disagreement:
            self._blame(row, disagreement.errors, list(values))
            raise Disagreement(
                f"{what or check} [{self.case}, {self.dtype}]: {disagreement}"
            ) from None
        for name in errors.names:
            row.add(name, errors.of(name, limit))
        return errors

    def _blame(self, row: Row, errors: Errors | None, names: list[str]) -> None:
        outlier = errors.outlier(row.limit) if errors else None
        row.failed |= {outlier} if outlier else set(names)
        for name in names:
            row.add(name, errors.of(name, row.limit) if errors else np.inf)

    def holds(self, check: str, backend: str, error: float, message: str) -> None:
        """A property of one backend alone: `error` is within the limit of `check`."""
        limit = limit_of(check, self.dtype)
        row = self.ledger.row(check, self.dtype, limit)
        row.cases.add(self.case)
        row.add(backend, float(error))
        if not error <= limit:
            row.failed.add(backend)
            raise Disagreement(
                f"{backend}: {message} [{self.case}, {self.dtype}]: {error:.1e}, limit {limit:.0e}"
            )

    def taps_agree(self, models: Mapping[str, Model], tokens: np.ndarray) -> None:
        """Every tap agrees, looked at in the order of the data flow: the first that does not is
        where the difference begins."""
        traces = {name: model.trace(tokens) for name, model in models.items()}
        config = next(iter(models.values())).config
        expected = tap_names(config)
        for name, trace in traces.items():
            if set(trace) != set(expected):
                odd = sorted(set(trace) ^ set(expected))
                raise Disagreement(f"{name}: trace lacks or invents {', '.join(odd)}")
        for before, tap in zip([None, *expected], expected, strict=False):
            right = f"all before it agree, up to {before}" if before else "it is the first"
            what = f"the difference begins at tap {tap} ({right})"
            self.agree("taps", {name: trace[tap] for name, trace in traces.items()}, what)

    def tensors_agree(
        self,
        check: str,
        values: Mapping[str, Mapping[str, np.ndarray]],
        models: Mapping[str, Model],
        what: str = "",
    ) -> None:
        """Every tensor of the manifest agrees, looked at from the loss backwards: the first that
        does not is where a wrong backward begins."""
        shapes = tensor_shapes(next(iter(models.values())).config)
        for name, tensors in values.items():
            if set(tensors) != set(shapes):
                odd = sorted(set(tensors) ^ set(shapes))
                raise Disagreement(f"{name}: {check} lack or invent {', '.join(odd)}")
            for key, tensor in tensors.items():
                if tensor.shape != shapes[key]:
                    raise Disagreement(f"{name}: {key} has shape {tensor.shape}, not {shapes[key]}")
        backwards = list(reversed(shapes))
        for before, key in zip([None, *backwards], backwards, strict=False):
            right = f"right until {before}, in backward order" if before else "the first backwards"
            where = f"{what or check} of {key} ({right})"
            self.agree(check, {name: tensors[key] for name, tensors in values.items()}, where)
