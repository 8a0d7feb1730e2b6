"""`{conformance} logits; taps`: the results of these checks in the last report.

`{conformance} everything` is the whole report, with the noise and the mutants around each limit.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from docutils import nodes

from conformance import gate
from conformance.limits import ORDER
from conformance.reporting.table import number
from docs.extensions.directive import BACKENDS, PageError, SiteDirective, raw
from docs.extensions.template import fill

REPORT = gate.STAMP.with_name("conformance.json")
HOW = "nox -s conformance"
EVERYTHING = "everything"


class Conformance(SiteDirective):
    def shown(self) -> list[nodes.Node]:
        whole = self.argument == EVERYTHING
        wanted = list(ORDER) if whole else re.split(r"\s*;\s*", self.argument)
        for name in wanted:
            if name not in ORDER:
                raise PageError(f"there is no check {name!r}; there are: {', '.join(ORDER)}")
        report = read_report()
        if report is None:
            return self.missing(f"not measured: run {HOW}")
        rows = [row for row in report["checks"] if row["check"] in wanted]
        absent = [name for name in wanted if name not in {row["check"] for row in rows}]
        judged = {backend for row in rows for backend in row["errors"]}
        absent += [name for backend, name in BACKENDS.items() if rows and backend not in judged]
        notes = []
        if report.get("fingerprint") != gate.fingerprint():
            notes += self.missing(f"these figures are older than the sources: run {HOW}")
        if report["verdict"] != "passed":
            notes += self.missing(f"not all checks passed when these were measured: run {HOW}")
        if absent:
            notes += self.missing(f"not measured: {', '.join(absent)}; run {HOW}")
        return [*notes, raw(table(rows, str(report["started"]), whole))] if rows else notes


def read_report() -> dict[str, Any] | None:
    """The last report; None if there is none, or it cannot be read."""
    try:
        report = json.loads(REPORT.read_text(encoding="utf-8"))
        needed = report["started"], report["verdict"], report["checks"]
        return report if None not in needed else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def table(rows: Sequence[dict[str, Any]], started: str, whole: bool = False) -> str:
    """One row for each check and precision; with `whole`, also the noise."""
    measured = {"rows": rows, "measured": started[:10], "whole": whole}
    return fill("proofs/conformance", backends=BACKENDS, number=number, **measured)
