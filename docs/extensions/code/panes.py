"""Three panes: side by side if there is room for them, otherwise behind tabs.

Without JavaScript all three are shown; on a narrow screen, one below the other.
"""

import html
from collections.abc import Mapping

from docs.extensions.directive import BACKENDS


def three_panes(
    panes: Mapping[str, tuple[str, str]], identifier: str, label: str, rows: int = 1
) -> str:
    """The panes and their tabs.

    Args:
        panes: for each backend, the file and line of its code, or "", and HTML.
        identifier: unique on the page.
        label: what the panes have in common.
        rows: the number of rows, if the HTML gives the row of each of its parts.
    """
    tabs = sections = ""
    for backend, (place, body) in panes.items():
        name, own = BACKENDS[backend], f"{identifier}-{backend}"
        tabs += (
            f'<button type="button" role="tab" id="{own}-tab" aria-controls="{own}" '
            f'aria-selected="false">{name}</button>'
        )
        head = pane_head(name, place, copy=bool(place))
        sections += (
            f'<section class="pane backend-{backend}" id="{own}" data-backend="{name}" '
            f'aria-label="{name}">{head}{body}</section>'
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
