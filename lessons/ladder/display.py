"""The ladder on the screen: rungs climbed, the one to climb next, and what is wrong with it."""

from itertools import groupby

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lessons.ladder.rungs import Rung
from lessons.ladder.verdict import BROKEN, OPEN, RIGHT, WRONG, Verdict, show_shape

WIDTH = 80
MARKS = {
    RIGHT: ("✓", "green", "exact"),
    OPEN: ("→", "bold yellow", "next"),
    WRONG: ("✗", "bold red", "not yet right"),
    BROKEN: ("·", "dim", ""),
}


def show(console: Console, rungs: list[Rung], verdicts: list[Verdict], name: str) -> None:
    """Print the ladder, foot first, then what to do; the sections ahead in one line each."""
    for section, group in groupby(rungs, key=lambda rung: rung.section):
        members = list(group)
        met = [v for v in verdicts if v.rung.section == section]
        if not met:
            rungs_ahead = f"{len(members)} rung{'s' * (len(members) > 1)}"
            console.print(Text(f"· {section.capitalize()}  {rungs_ahead}", "dim"))
            continue
        right = sum(verdict.state == RIGHT for verdict in met)
        title, count = (section.capitalize(), "bold"), (f"  {right}/{len(members)}", "dim")
        heading = Text.assemble(title, count)
        console.print(heading)
        console.print(ladder(members, {v.rung.name: v for v in met}))
    console.print()
    last = verdicts[-1]
    climbed = sum(verdict.state == RIGHT for verdict in verdicts)
    if last.state == RIGHT:
        console.print(f"The whole ladder: {climbed} rungs climbed by {name}.")
        return
    console.print(explanation(last))
    console.print(f"{climbed} of {len(rungs)} rungs climbed by {name}.")


def ladder(members: list[Rung], met: dict[str, Verdict]) -> Table:
    """One section, a line for each rung."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=3, justify="right")
    table.add_column(width=16, no_wrap=True)
    table.add_column(width=39, no_wrap=True, overflow="ellipsis")
    table.add_column(width=17, no_wrap=True, justify="right")
    for rung in members:
        verdict = met.get(rung.name)
        if verdict is None:
            table.add_row("·", rung.name, rung.help.about, style="dim")
            continue
        mark, style, note = MARKS[verdict.state]
        if verdict.error:
            note = f"error {verdict.error:.0e}"
        stops = verdict.state != RIGHT
        name = Text(rung.name, style if stops else "")
        note_style = style if stops else "dim"
        table.add_row(Text(mark, style), name, Text(rung.help.about), Text(note, note_style))
    return table


def explanation(verdict: Verdict) -> Panel:
    """What is expected at the first rung that is not right, what was found, and a hint."""
    rung = verdict.rung
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    expected = f"shape {show_shape(verdict.shape)}" if verdict.shape else "a single number"
    if rung.section == "sampling" and rung.limit == 0:
        expected = rung.help.about
    pairs = verdict.found
    if verdict.state != BROKEN:
        help_ = [("write in", rung.help.where), ("hint", rung.help.hint)]
        pairs = [("expected", expected), *pairs, *help_]
    for word, what in pairs:
        table.add_row(word, Text(what))
    style = "yellow" if verdict.state == OPEN else "red"
    title = {
        OPEN: f"next: {rung.name}",
        WRONG: f"not yet right: {rung.name}",
        BROKEN: "your files cannot be imported",
    }[verdict.state]
    return Panel(table, title=Text(title, f"bold {style}"), title_align="left", border_style=style)
