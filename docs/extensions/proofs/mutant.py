"""`{mutant} swap_qk`: a bug to plant, its place in each backend, and the checks that fail."""

import html
import re
from collections.abc import Iterable
from textwrap import dedent

from docutils import nodes

from audits.mutants import report
from audits.mutants.catalogue import find
from audits.mutants.mutant import Mutant
from audits.mutants.plant import diff
from docs.extensions.code.panes import code_block, line_element, three_panes
from docs.extensions.directive import BACKENDS, SiteDirective, raw
from docs.extensions.proofs.kills import HOW, title_of
from docs.extensions.template import fill


class PlantedBug(SiteDirective):
    """The story of a mutant, its diff, the command that plants it in torch (or else in the first
    backend that has it), and which checks failed. The content says what to look at."""

    def shown(self) -> list[nodes.Node]:
        mutant = find(self.argument)
        backend = "torch" if "torch" in mutant.edits else next(iter(mutant.edits))
        panes = {name: _pane(mutant, name) for name in BACKENDS}
        label = f"{mutant.name} in three frameworks"
        command = f"nox -s break -- {mutant.name} --backend {backend}"
        return self.box(
            *("mutant", f"Plant a bug: {mutant.name}"),
            nodes.paragraph("", f"The mistake: {mutant.story}."),
            raw(three_panes(panes, f"mutant-{self.env.new_serialno('minigpt')}", label)),
            nodes.literal_block(command, command, language="sh"),
            *self.parsed(self.content),
            *self.what_fell(mutant),
        )

    def what_fell(self, mutant: Mutant) -> list[nodes.Node]:
        """The checks that saw it, from the last run of all mutants."""
        found = report.read_report() or report.Report("", [])
        verdicts = {v.backend: v for v in found.verdicts if v.mutant == mutant.name}
        if set(verdicts) != set(mutant.edits):
            absent = ", ".join(BACKENDS[name] for name in mutant.edits if name not in verdicts)
            return self.missing(f"which checks fall in {absent} was not measured: run {HOW}")
        notes = []
        if found.stale:
            notes = self.missing(f"what fell was measured before the sources changed: run {HOW}")
        listing = fill("proofs/fell", backends=BACKENDS, verdicts=verdicts, title_of=title_of)
        return [*notes, raw(listing)]


def _pane(mutant: Mutant, backend: str) -> tuple[str, str]:
    """The files and lines that change in one backend."""
    if backend not in mutant.edits:
        return "", '<p class="no-code">has no place for this bug</p>'
    files = dict.fromkeys(edit.file for edit in mutant.edits[backend])
    place = ", ".join(f"impls/{backend}/{file}" for file in files)
    return place, code_block(_changes(mutant, backend), f"{place}, changed")


def _changes(mutant: Mutant, backend: str) -> Iterable[str]:
    """The diff as lines of HTML, without their common indentation."""
    lines = [line for line in diff(mutant, backend) if not line.startswith(("---", "+++"))]
    bare = iter(dedent("\n".join(line[1:] for line in lines if line[0] in "+-")).split("\n"))
    for line in lines:
        if match := re.match(r"@@ -(\d+)", line):
            yield f'<span class="at">{line_element("", f"line {match[1]}")}</span>'
            continue
        text = f"{line[0]} {next(bare)}"
        kind = "removed" if line[0] == "-" else "added"
        yield f'<span class="{kind}">{line_element(text, html.escape(text))}</span>'
