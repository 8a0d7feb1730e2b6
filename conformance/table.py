"""The table that a conformance run ends with."""

from rich.table import Table
from rich.text import Text

from conformance.judge import Ledger, Row


def render_table(ledger: Ledger, backends: list[str]) -> Table:
    """Checks down, backends across; each number is the largest error over all cases."""
    table = Table(
        caption="largest relative error against the other backends, over all cases",
        caption_justify="left",
    )
    table.add_column("check")
    table.add_column("precision")
    for name in backends:
        table.add_column(name, justify="right")
    table.add_column("limit", justify="right")
    table.add_column("")
    for row in ledger.in_order():
        cells = [cell(row, name) for name in backends]
        verdict = Text("fails", "bold red") if row.failed else Text("agrees", "green")
        table.add_row(row.check, row.dtype, *cells, number(row.limit), verdict)
    return table


def cell(row: Row, backend: str) -> Text:
    if backend not in row.errors:
        return Text("–", "dim")
    return Text(number(row.errors[backend]), "bold red" if backend in row.failed else "")


def number(value: float) -> str:
    """Exactly nothing is worth a word of its own."""
    return "0" if value == 0 else f"{value:.1e}"
