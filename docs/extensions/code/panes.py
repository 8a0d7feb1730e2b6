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
    tabs = "".join(
        f'<button type="button" role="tab" id="{identifier}-{pane.backend}-tab" '
        f'aria-controls="{identifier}-{pane.backend}" aria-selected="false">'
        f"{BACKENDS[pane.backend]}</button>"
        for pane in panes
    )
    return (
        f'<div class="three wide" id="{identifier}" style="--rows:{rows}">'
        f'<div class="three-tabs" role="tablist" aria-label="{html.escape(label)}" hidden>{tabs}'
        f"</div>{''.join(_pane(pane, identifier) for pane in panes)}"
        f'<p class="three-counterparts" aria-live="polite"></p></div>'
    )


def place_element(place: str) -> str:
    """A path that may wrap after its slashes."""
    return f'<code class="place">{html.escape(place).replace("/", "/<wbr>")}</code>'


def _pane(pane: Pane, identifier: str) -> str:
    place = place_element(pane.place) if pane.place else ""
    copy = '<button type="button" class="copy" hidden>copy</button>' if pane.place else ""
    name = BACKENDS[pane.backend]
    return (
        f'<section class="pane backend-{pane.backend}" id="{identifier}-{pane.backend}" '
        f'data-backend="{name}" aria-label="{name}">'
        f'<div class="pane-head"><span class="backend">{name}</span>{place}{copy}</div>'
        f"{pane.body}</section>"
    )
