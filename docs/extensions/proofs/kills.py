"""`{kill-matrix}`: every planted bug down, every check across, and which killed which."""

from collections.abc import Sequence
from itertools import groupby

from docutils import nodes

from audits.mutants import report
from audits.mutants.catalogue import TASKS, THEMES
from audits.mutants.mutant import HEALTHY, Mutant
from audits.mutants.report import Verdict
from docs.extensions.directive import BACKENDS, SiteDirective, raw
from docs.extensions.template import fill

HOW = "nox -s mutants"


def chapter_of(check: str) -> str:
    """forward, of test_forward.py::test_taps; "process" if the process died"""
    return check.partition("::")[0].removeprefix("test_").removesuffix(".py").replace("_", " ")


def title_of(check: str) -> str:
    """taps, of test_forward.py::test_taps"""
    return check.rpartition("::")[2].removeprefix("test_").replace("_", " ")


class KillMatrix(SiteDirective):
    optional_arguments = 0

    def shown(self) -> list[nodes.Node]:
        found = report.read_report()
        if found is None:
            return self.missing(f"not measured: run {HOW}")
        notes = []
        if found.stale:
            notes += self.missing(f"what fell was measured before the sources changed: run {HOW}")
        judged = {(v.mutant, v.backend) for v in found.verdicts}
        if absent := TASKS - judged:
            notes += self.missing(f"not measured: {len(absent)} of {len(TASKS)}; run {HOW}")
        for verdict in found.verdicts:
            if verdict.killed == (verdict.mutant == HEALTHY.name):
                how = "survived" if verdict.mutant != HEALTHY.name else "fell, though it is healthy"
                notes += self.missing(f"{verdict.mutant} in {verdict.backend} {how}")
        return [*notes, raw(matrix(found.verdicts), "kills")] if found.verdicts else notes


def matrix(verdicts: Sequence[Verdict]) -> str:
    """The table, in a box that scrolls, and below it a place for the details of a row."""
    # In the order of the suite
    checks = sorted({check for v in verdicts for check in (*v.passed, *v.fallen)})
    by_task = {(v.mutant, v.backend): v for v in verdicts}
    mutants = [v for v in verdicts if v.mutant != HEALTHY.name]

    def row(mutant: Mutant) -> tuple[Mutant, dict[str, Verdict], list[tuple[int, str]]]:
        own = {b: by_task[mutant.name, b] for b in BACKENDS if (mutant.name, b) in by_task}
        return mutant, own, [_cell(check, own) for check in checks]

    return fill(
        "proofs/kills",
        backends=BACKENDS,
        chapters=[(name, [*map(title_of, group)]) for name, group in groupby(checks, chapter_of)],
        themes=[(theme.title.removesuffix("."), map(row, theme.mutants)) for theme in THEMES],
        totals=[sum(check in v.fallen for v in mutants) for check in checks],
        killed=sum(v.killed for v in mutants),
        planted=len(mutants),
        told=report.told(mutants),
    )


def _cell(check: str, verdicts: dict[str, Verdict]) -> tuple[int, str]:
    """NPJ, the first letters of the backends in which the check saw the bug, and as bits."""
    killed = [b for b in BACKENDS if b in verdicts and check in verdicts[b].fallen]
    if killed:
        bits = sum(1 << list(BACKENDS).index(backend) for backend in killed)
        return bits, "".join(BACKENDS[backend][0] for backend in killed)
    seen = any(check in verdict.passed for verdict in verdicts.values())
    return 0, "·" if seen else ""
