"""Printing a lesson: headings, matrices side by side, and what to look at."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


class Lesson:
    """Prints to standard output, as wide as the terminal; 80 columns without one."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, markup=False)

    def heading(self, text: str) -> None:
        self.console.print()
        self.console.print(Text(text, "bold"))

    def say(self, text: str) -> None:
        """A paragraph, wrapped to the width."""
        self.console.print(text)

    def look(self, text: str) -> None:
        """What the reader should look at."""
        self.console.print(Text.assemble(("Look at ", "bold"), text))

    def show(self, table: RenderableType) -> None:
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))

    def matrices(self, **named: Float[np.ndarray, "*B T C"] | str) -> None:
        """Matrices, or strings, side by side under names and shapes; of a batch, the first."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
        for name, value in named.items():
            shape = "" if isinstance(value, str) else f" {list(value.shape)}"
            heading = f"{name.replace('_', ' ')}{shape}"
            table.add_column(heading, no_wrap=True, header_style="italic")
        table.add_row(*(v if isinstance(v, str) else write_matrix(v) for v in named.values()))
        self.show(table)


def table_of_numbers(*headings: str, words: int = 1, **options: Any) -> Table:
    """A table without rows: the first columns are for words, all others for numbers."""
    table = Table(**options)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i < words else "right", overflow="fold")
    return table


def tokens_over_ids(labels: Iterable[str], ids: Iterable[int | str]) -> Columns:
    """Every token and its id below, as many side by side as fit."""
    texts = [Text(f"{label}\n{token}") for label, token in zip(labels, ids, strict=True)]
    return Columns(texts, padding=(0, 2, 0, 0))


def write_matrix(array: Float[np.ndarray, "*B T C"]) -> str:
    """A line per row: whole numbers if all are, otherwise two decimals."""
    rows = array.reshape(-1, *array.shape[-2:])[0]
    whole = bool((rows == np.rint(rows)).all())
    cells = [[write_number(value, whole) for value in row] for row in rows.tolist()]
    width = max(len(cell) for row in cells for cell in row)
    return "\n".join("  ".join(cell.rjust(width) for cell in row) for row in cells)


def write_number(value: float, whole: bool = False) -> str:
    """Two decimals, except for 0 and if all numbers are whole."""
    return f"{value:.0f}" if whole or value == 0 else f"{value:.2f}"
