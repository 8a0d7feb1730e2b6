"""`{conformance} logits; taps`: the results of these checks in the last report.

`{conformance} everything` is the whole report, with the noise and the mutants around each limit.
"""

import html
import json
import re
from collections.abc import Sequence
from typing import Any

from docutils import nodes

from conformance import gate
from conformance.limits import ORDER
from conformance.reporting.table import number
from docs.extensions.directive import BACKENDS, PageError, SiteDirective, raw

REPORT = gate.STAMP.with_name("conformance.json")
HOW = "nox -s conformance"
EVERYTHING = "everything"


class Conformance(SiteDirective):
    """A table of the errors of these checks, by their names in the report."""

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
    around = ["noise", "limit"] if whole else ["limit"]
    columns = [*BACKENDS.values(), *around, ""]
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    body = "".join(_row(row, around) for row in rows)
    return (
        f'<div class="table-wrapper{" wide" if whole else ""}" tabindex="0" role="group" '
        'aria-label="conformance figures">'
        '<table class="docutils conformance"><caption><span>Largest error of each backend against '
        f"the other two, relative to the largest value. Measured {html.escape(started[:10])}. 0: "
        'not one bit differs.</span></caption><thead><tr><th scope="col">check</th>'
        f'<th scope="col">precision</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(row: dict[str, Any], around: Sequence[str]) -> str:
    values = [*(row["errors"].get(name) for name in BACKENDS), *(row[key] for key in around)]
    cells = "".join(f"<td>{_number(value)}</td>" for value in values)
    passed = row["verdict"] == "passed"
    verdict = "✓ passed" if passed else f"✗ {row['verdict']}"
    return (
        f'<tr class="{"passed" if passed else "failed"}"><th scope="row">'
        f"{html.escape(row['check'])}</th><td>{row['dtype']}</td>{cells}<td>{verdict}</td></tr>"
    )


def _number(value: float | str | None) -> str:
    """The report has "inf" because JSON has no number for it."""
    return "–" if value is None else number(float(value))
