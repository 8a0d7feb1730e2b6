"""The table that a conformance run ends with."""

import io
import re
from collections.abc import Mapping

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.ledger import Ledger, Row

NAME = 9
"""Characters per line of a long name in the heading, so that five backends fit side by side."""

MARKS = {
    "passed": Text("✓", "green"),
    "failed": Text("✗", "bold red"),
    "unfinished": Text("…", "yellow"),
    "not offered": Text("–", "dim"),
}


def render_table(ledger: Ledger, backends: list[str], outcomes: Mapping[str, int]) -> Table:
    """Checks down, backends across, float64 above float32; fits into 80 columns."""
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        title="Largest relative error against the other backends",
        caption=f"✓ within the limit, in every case; 0 means not one bit\n{counts(outcomes)}",
    )
    table.add_column("check", no_wrap=True)
    wide = len(max(backends, key=len, default="")) > NAME
    for name in backends:
        heading = name.replace("@", "\n@")  # a mode goes below its backend
        table.add_column(
            heading, justify="right", overflow="fold", max_width=NAME if wide else None
        )
    table.add_column("limit", justify="right")
    table.add_column("")
    dtype = None
    for row in ledger.in_order():
        if row.dtype != dtype:
            dtype = row.dtype
            table.add_section()
            table.add_row(Text(dtype, "bold"))
        cells = [cell(row, name, "–" if wide else "not offered") for name in backends]
        table.add_row(row.check, *cells, number(row.limit), MARKS[row.verdict])
    return table


def counts(outcomes: Mapping[str, int]) -> str:
    """The counts of all tests, including those without a line in the table."""
    words = {"passed": "passed", "failed": "failed", "skipped": "not offered"}
    told = [f"{outcomes[key]} {word}" for key, word in words.items() if outcomes.get(key)]
    return f"tests: {', '.join(told) or 'none'}"


def cell(row: Row, backend: str, not_offered: str) -> Text:
    if backend not in row.errors:
        return Text(not_offered if backend in row.not_offered else "–", "dim")
    return Text(number(row.errors[backend]), "bold red" if backend in row.failed else "")


def number(value: float | str | None) -> str:
    """Format an error, which may be "inf" in a report; exactly zero is 0, not 0.0e+00."""
    if value is None:
        return "–"
    return "0" if value == 0 else f"{float(value):.1e}"


def save_picture(table: Table, path: str) -> None:
    """Draw the table as an SVG without external fonts: rich would load one."""
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(table)
    drawing = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(path, title="nox -s conformance", code_format=drawing)
