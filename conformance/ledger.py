"""The results of the judges: the rows of the final table."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from conformance.limits import ORDER, limit_of


@dataclass
class Row:
    """One line of the table: a check in one precision."""

    check: str
    dtype: str
    limit: float
    by_case: dict[str, dict[str, float]] = field(default_factory=dict)
    """Largest error so far, by case and backend."""
    failed: set[str] = field(default_factory=set)
    """The outliers, or all backends if the outlier is unknown."""
    failures: int = 0
    """Failed comparisons and tests, including those without a backend at fault."""
    not_offered: set[str] = field(default_factory=set)
    """Backends that do not claim the capability."""
    pending: int = 0
    """Tests for this row that have not run, if the run was cut short."""

    @property
    def errors(self) -> dict[str, float]:
        """Largest error by backend."""
        largest: dict[str, float] = {}
        for errors in self.by_case.values():
            for backend, error in errors.items():
                largest[backend] = max(error, largest.get(backend, 0.0))
        return largest

    @property
    def verdict(self) -> str:
        """ "failed", "passed", "unfinished" if a test has not run, or "not offered" if nothing was
        compared: that proves nothing."""
        if self.failures or self.failed:
            return "failed"
        if self.pending:
            return "unfinished"
        return "passed" if self.by_case else "not offered"

    def add(self, case: str, backend: str, error: float) -> None:
        """Record an error if it is the largest. NaN counts as infinite."""
        error = math.inf if math.isnan(error) else float(error)
        errors = self.by_case.setdefault(case, {})
        errors[backend] = max(error, errors.get(backend, 0.0))

    def fail(self, backends: Iterable[str]) -> None:
        self.failures += 1
        self.failed |= set(backends)


class Ledger:
    """The rows of the table, by check and precision."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}

    def in_order(self) -> list[Row]:
        """In the order of the data flow; float64 first."""
        return sorted(
            self.rows.values(), key=lambda row: (row.dtype != "float64", ORDER.index(row.check))
        )

    def merge(self, other: "Ledger") -> None:
        """Add the results of another process."""
        for (check, dtype), found in other.rows.items():
            row = self.row(check, dtype)
            for case, errors in found.by_case.items():
                for backend, error in errors.items():
                    row.add(case, backend, error)
            row.failed |= found.failed
            row.failures += found.failures
            row.not_offered |= found.not_offered

    def row(self, check: str, dtype: str) -> Row:
        """The row of a check, created if missing. Raises `KeyError` for a check without a limit."""
        return self.rows.setdefault((check, dtype), Row(check, dtype, limit_of(check, dtype)))
