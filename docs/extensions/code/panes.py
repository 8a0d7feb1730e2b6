"""Three panes: side by side if there is room for them, otherwise behind tabs.

Without JavaScript all three are shown; on a narrow screen, one below the other.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from docs.extensions.directive import BACKENDS


@dataclass(frozen=True)
class Pane:
    """What one backend shows."""

    backend: str
    place: str
    """The file and line of the code, or ""."""
    body: str
    """HTML."""


def three_panes(panes: Sequence[Pane], identifier: str, label: str, rows: int = 1) -> str:
    """The panes and their tabs. A body with rows gives the row of each of its parts."""
    tabs = sections = ""
    for pane in panes:
        name, own = BACKENDS[pane.backend], f"{identifier}-{pane.backend}"
        tabs += (
            f'<button type="button" role="tab" id="{own}-tab" aria-controls="{own}" '
            f'aria-selected="false">{name}</button>'
        )
        head = pane_head(name, pane.place, copy=bool(pane.place))
        sections += (
            f'<section class="pane backend-{pane.backend}" id="{own}" data-backend="{name}" '
            f'aria-label="{name}">{head}{pane.body}</section>'
        )
    return (
        f'<div class="three wide" id="{identifier}" style="--rows:{rows}">'
        f'<div class="three-tabs" role="tablist" aria-label="{html.escape(label)}" hidden>{tabs}'
        f'</div>{sections}<p class="three-counterparts" aria-live="polite"></p></div>'
    )


def pane_head(title: str, place: str, *, copy: bool = True) -> str:
    """Whose code it is, its place (if it has one), and a button that copies it."""
    wrapping = html.escape(place).replace("/", "/<wbr>")  # a path may wrap after its slashes
    where = f'<code class="place">{wrapping}</code>' if place else ""
    button = '<button type="button" class="copy" hidden>copy</button>' if copy else ""
    return (
        f'<div class="pane-head"><span class="backend">{html.escape(title)}</span>'
        f"{where}{button}</div>"
    )
