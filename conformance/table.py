"""The table that a conformance run ends with."""

import io
import re

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.table import Table
from rich.text import Text

from conformance.judge import Ledger, Row


def render_table(ledger: Ledger, backends: list[str]) -> Table:
    """Checks down, backends across, float64 above float32; fits into 80 columns."""
    table = Table(
        title="Largest relative error against the other backends",
        caption="✓ within the limit, in every case; 0 means not one bit",
    )
    table.add_column("check", no_wrap=True)
    for name in backends:
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("limit", justify="right")
    table.add_column("")
    dtype = None
    for row in ledger.in_order():
        if row.dtype != dtype:
            dtype = row.dtype
            table.add_section()
            table.add_row(Text(dtype, "bold"))
        cells = [cell(row, name) for name in backends]
        verdict = Text("✗", "bold red") if row.failed else Text("✓", "green")
        table.add_row(row.check, *cells, number(row.limit), verdict)
    return table


def cell(row: Row, backend: str) -> Text:
    if backend not in row.errors:
        return Text("–", "dim")
    return Text(number(row.errors[backend]), "bold red" if backend in row.failed else "")


def number(value: float) -> str:
    """Exactly nothing is not 0.0e+00."""
    return "0" if value == 0 else f"{value:.1e}"


def save_picture(table: Table, path: str) -> None:
    """Draw the table as an SVG that fetches nothing: rich would load a font from elsewhere."""
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(table)
    drawing = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(path, title="nox -s conformance", code_format=drawing)
