"""`{three}`: the same function in the three backends. `{excerpt}`: shared code."""

import html
from collections.abc import Sequence
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives

from docs.extensions.code.alignment import ROOT_KEY, Unit, place, units
from docs.extensions.code.excerpts import Excerpt, find_excerpt
from docs.extensions.code.panes import code_block, highlighted, highlighted_lines, three_panes
from docs.extensions.directive import BACKENDS, PageError, SiteDirective, raw
from docs.extensions.template import fill

NOTHING = "nothing"
"""Given instead of a name if the backend has no such code; the content says why."""
BY_HAND = "NumPy, by hand: the gradient, which autograd derives in the other two"
"""The title of NumPy's additional code, below the three columns."""


class Three(SiteDirective):
    """The same definition from impls/numpy, impls/torch and impls/jax, lines linked.

    ```{three} CausalSelfAttention.forward
    :no-docstring:
    :with: CausalSelfAttention.backward
    ```

    `:file:` defaults to model.py. `:numpy:`, `:torch:` and `:jax:` give a backend's own name for
    it, or several, or "nothing" (then the content says why); `:numpy-file:` and so on its own file.
    `:with:` names code of NumPy alone, which is shown below.
    """

    option_spec: ClassVar = {
        "file": directives.unchanged_required,
        "no-docstring": directives.flag,
        "with": directives.unchanged_required,
        **dict.fromkeys(BACKENDS, directives.unchanged_required),
        **{f"{backend}-file": directives.unchanged_required for backend in BACKENDS},
    }

    def shown(self) -> list[nodes.Node]:
        found = {b: self.excerpts(b, self.options.get(b, self.argument)) for b in BACKENDS}
        below = self.excerpts("numpy", self.options.get("with", NOTHING))
        empty = [backend for backend, some in found.items() if not some]
        if empty and not self.content:
            raise PageError(f"{{three}}: say in the content why {empty[0]} has nothing")
        placed = {b: [unit for each in some for unit in units(each)] for b, some in found.items()}
        rows = place([some for some in placed.values() if some])
        no_code = f'<p class="no-code">{html.escape(" ".join(self.content))}</p>'
        panes = {
            name: pane_of(name, some, placed[name]) if some else ("", no_code)
            for name, some in found.items()
        }
        label = f"{self.argument} in three frameworks"
        shown = [raw(three_panes(panes, f"three-{self.env.new_serialno('minigpt')}", label, rows))]
        return [*shown, *(one_pane(excerpt, BY_HAND, excerpt.place) for excerpt in below)]

    def excerpts(self, backend: str, names: str) -> list[Excerpt]:
        """The definitions of these names, in order; none for "nothing"."""
        file = self.options.get(f"{backend}-file", self.options.get("file", "model.py"))
        docstring = "no-docstring" not in self.options
        path, wanted = f"impls/{backend}/{file}", [] if names == NOTHING else names.split(",")
        return [find_excerpt(path, name.strip(), docstring=docstring) for name in wanted]


class OneExcerpt(SiteDirective):
    """One definition from shared code: `{excerpt} shared/schedule.py learning_rate`."""

    option_spec: ClassVar = {"no-docstring": directives.flag}

    def shown(self) -> list[nodes.Node]:
        path, _, name = self.argument.partition(" ")
        excerpt = find_excerpt(path, name, docstring="no-docstring" not in self.options)
        return [one_pane(excerpt, excerpt.place)]


def pane_of(backend: str, excerpts: Sequence[Excerpt], placed: Sequence[Unit]) -> tuple[str, str]:
    """A column: where its code is; and its units, each in its row, linked with the others."""
    lines = iter(highlighted_lines([line.text for unit in placed for line in unit.lines]))
    parts = []
    for unit in placed:
        begins = " begins" if unit.key == ROOT_KEY else ""
        parts.append(
            f'<span class="unit{begins}" style="--row:{unit.row + 1}" '
            f'data-links="{" ".join(map(str, unit.links))}" data-line="{unit.lines[0].number}">'
            f"{''.join(next(lines) for _ in unit.lines)}</span>"
        )
    places = ", ".join(excerpt.place for excerpt in excerpts)
    return places, code_block(parts, f"{BACKENDS[backend]}, {places}")


def one_pane(excerpt: Excerpt, title: str, place: str = "") -> nodes.raw:
    return raw(fill("code/one", title=title, place=place, lines=highlighted(excerpt)))
