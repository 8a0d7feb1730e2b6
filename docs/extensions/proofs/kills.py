"""`{kill-matrix}`: every planted bug down, every check across, and which killed which."""

import html
from collections.abc import Sequence
from itertools import groupby

from docutils import nodes

from audits.mutants import report
from audits.mutants.catalogue import CATALOGUE, THEMES
from audits.mutants.judging import Verdict
from audits.mutants.mutant import Mutant
from docs.extensions.directive import BACKENDS, SiteDirective, raw

HOW = "nox -s mutants"
HEALTHY = "healthy"


def chapter_of(check: str) -> str:
    """forward, of test_forward.py::test_taps; "process" if the process died"""
    return check.partition("::")[0].removeprefix("test_").removesuffix(".py").replace("_", " ")


def title_of(check: str) -> str:
    """taps, of test_forward.py::test_taps"""
    return check.rpartition("::")[2].removeprefix("test_").replace("_", " ")


class KillMatrix(SiteDirective):
    """The last run of all mutants."""

    optional_arguments = 0

    def shown(self) -> list[nodes.Node]:
        found = report.read_report()
        if found is None:
            return self.missing(f"not measured: run {HOW}")
        notes = []
        if found.stale:
            notes += self.missing(f"what fell was measured before the sources changed: run {HOW}")
        judged = {(v.mutant, v.backend) for v in found.verdicts}
        wanted = {(name, backend) for name in CATALOGUE for backend in CATALOGUE[name].edits}
        wanted |= {(HEALTHY, backend) for backend in BACKENDS}
        if absent := wanted - judged:
            notes += self.missing(f"not measured: {len(absent)} of {len(wanted)}; run {HOW}")
        for verdict in found.verdicts:
            if verdict.killed == (verdict.mutant == HEALTHY):
                how = "survived" if verdict.mutant != HEALTHY else "fell, though it is healthy"
                notes += self.missing(f"{verdict.mutant} in {verdict.backend} {how}")
        return [*notes, raw(matrix(found.verdicts), "kills")] if found.verdicts else notes


def matrix(verdicts: Sequence[Verdict]) -> str:
    """The table, in a box that scrolls, and below it a place for the details of a row."""
    # In the order of the suite
    checks = sorted({check for v in verdicts for check in (*v.passed, *v.fallen)})
    by_task = {(v.mutant, v.backend): v for v in verdicts}
    mutants = [v for v in verdicts if v.mutant != HEALTHY]
    killed = sum(v.killed for v in mutants)
    body = ""
    for theme in THEMES:
        title = html.escape(theme.title.removesuffix("."))
        body += (
            f'<tbody><tr><th scope="rowgroup" colspan="{len(checks) + 1}"><span>{title}</span></th>'
            "</tr>"
        )
        for mutant in theme.mutants:
            own = {b: by_task[mutant.name, b] for b in BACKENDS if (mutant.name, b) in by_task}
            body += _row(mutant, own, checks)
        body += "</tbody>"
    totals = "".join(f"<td>{sum(check in v.fallen for v in mutants)}</td>" for check in checks)
    key = "".join(
        f'<span class="k{1 << i}"></span> {name} ' for i, name in enumerate(BACKENDS.values())
    )
    return (
        f'<div class="kills wide" data-play="kills"><p class="key">Killed in: {key}'
        f"<span>·</span> seen, and not killed <span></span> not asked</p>"
        f'<div class="box" tabindex="0" role="region" aria-label="kill matrix">'
        f"<table><caption>{killed} of {len(mutants)} planted bugs were killed: the bugs down, the "
        f"checks of the suite across.</caption><thead>{_heads(checks)}</thead>{body}"
        f'<tfoot><tr><th scope="row">kills, of {len(mutants)}</th>{totals}</tr></tfoot></table>'
        f'</div><div class="about" aria-live="polite"><p>Point at a row, or go to it with the '
        f"keyboard, to read what the mistake is and which checks see it.</p></div></div>"
        f"<p>{html.escape(report.told(mutants))}</p>"
    )


def _heads(checks: Sequence[str]) -> str:
    """Chapters of the suite, and below them its checks, written vertically."""
    above = below = ""
    for chapter, group in groupby(checks, chapter_of):
        titles = [html.escape(title_of(check)) for check in group]
        span = f"colspan={len(titles)}" if len(titles) > 1 else ""
        above += f'<th scope="colgroup" {span}><span>{html.escape(chapter)}</span></th>'
        for i, title in enumerate(titles):
            edge = "" if i else "edge"  # a line where a chapter begins
            below += f'<th scope="col" class="{edge}" title="{title}"><span>{title}</span></th>'
    return f"<tr><td></td>{above}</tr><tr><td></td>{below}</tr>"


def _row(mutant: Mutant, verdicts: dict[str, Verdict], checks: Sequence[str]) -> str:
    """A bug: for each check, the backends in which it saw the bug, as letters and colours."""
    counts = "".join(
        f' data-{backend}="{len(v.fallen)} of {len(v.fallen) + len(v.passed)}"'
        for backend, v in verdicts.items()
    )
    label = html.escape(mutant.name).replace("_", "_<wbr>")
    cells = "".join(_cell(check, verdicts) for check in checks)
    return (
        f'<tr data-story="{html.escape(mutant.story)}"{counts}><th scope="row">'
        f'<button type="button">{label}</button></th>{cells}</tr>'
    )


def _cell(check: str, verdicts: dict[str, Verdict]) -> str:
    """NPJ, the first letters of the backends in which the check saw the bug."""
    killed = [b for b in BACKENDS if b in verdicts and check in verdicts[b].fallen]
    if killed:
        bits = sum(1 << list(BACKENDS).index(backend) for backend in killed)
        return f'<td class="k{bits}">{"".join(BACKENDS[backend][0] for backend in killed)}</td>'
    seen = any(check in verdict.passed for verdict in verdicts.values())
    return "<td>·</td>" if seen else "<td></td>"
