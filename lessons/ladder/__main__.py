"""`python -m lessons.ladder`: how far the exercise is, and what comes next.

Exit status: 0 at the top, 1 on the way, 2 if there is no solution in the folder.

For a course: `--grade` writes the results to a file, `--submissions` judges a whole class.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from tyro.conf import arg

from conformance import cases
from lessons.command import command
from lessons.ladder import exercise
from lessons.ladder.grade import print_class, write_grade
from lessons.ladder.rungs import RUNGS, Rung
from lessons.ladder.subject import Subject
from lessons.ladder.verdict import BROKEN, OPEN, RIGHT, WRONG, Verdict, judge, raised, show_path
from shared.commands.options import UsageError
from shared.errors import BackendError
from shared.sources import ROOT

MARKS = {
    RIGHT: ("✓", "green", "exact"),
    OPEN: ("→", "bold yellow", "next"),
    WRONG: ("✗", "bold red", "not yet right"),
    BROKEN: ("·", "dim", ""),
}


@dataclass(frozen=True)
class Options:
    """Whose ladder."""

    solution: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Your solution. Default: impls/exercise/, which is written if it is not there."""
    grade: Annotated[Path | None, arg(metavar="FILE")] = None
    """Judge all rungs, also above one that is not right, and write a point for each right one:
    FILE.json in Gradescope's format, FILE.xml in JUnit's."""
    submissions: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Judge every folder in this one, and print a table of the class."""
    seed: int = 0
    """Judge on other weights and batches: results cannot be prepared."""
    seconds: float = 300.0
    """With --submissions, the time for each solution."""


@command
def main(options: Options) -> int:
    if options.seed < 0 or not options.seconds > 0:
        raise UsageError("--seed is 0 or more, --seconds more than 0")
    if options.submissions is not None:
        if options.solution or options.grade:
            raise UsageError("--submissions judges folders: use it without --solution and --grade")
        print_class(Console(), options.submissions, options.seed, options.seconds)
        return 0
    if options.grade is not None and options.grade.suffix not in (".json", ".xml"):
        raise UsageError(f"--grade is {options.grade}: it must end in .json or .xml")
    cases.base_seed = options.seed
    folder = (options.solution or exercise.FOLDER).expanduser().resolve()
    solution = show_path(folder)
    if options.solution is None and not list(folder.glob("*.py")):
        exercise.write_exercise(folder)
        print(f"{solution} is written, for you to fill; Git ignores it.")
    if not folder.is_dir():
        raise BackendError(f"there is no folder {solution!r}: cp -r impls/exercise {solution}")
    verdicts = list(climb(folder, to_the_end=options.grade is not None))
    if options.grade is not None:
        write_grade(options.grade, verdicts)
    console = Console(highlight=False)
    console.width = min(80, console.width)
    show(console, RUNGS, verdicts, solution)
    return int(any(verdict.state != RIGHT for verdict in verdicts))


def climb(folder: Path, to_the_end: bool = False) -> Iterator[Verdict]:
    """The verdicts on the solution in a folder, up to the first rung that is not right, or of all
    rungs. Raises `BackendError` if it holds no solution."""
    top = ROOT if folder.is_relative_to(ROOT) else folder.parent
    if str(top) not in sys.path:
        sys.path.insert(0, str(top))
    try:
        subject = Subject(".".join(folder.relative_to(top).parts))
    except BackendError:
        raise
    except (Exception, SystemExit) as error:  # the learner's file cannot be imported
        yield Verdict(RUNGS[0], BROKEN, found=raised(error, folder))
        return
    reference = Subject("numpy")
    for rung in RUNGS:
        verdict = judge(rung, reference, subject, folder)
        yield verdict
        if verdict.state != RIGHT and not to_the_end:
            return


def show(console: Console, rungs: list[Rung], verdicts: list[Verdict], name: str) -> None:
    """Print the ladder, foot first, then what to do; the sections ahead in one line each."""
    met = {verdict.rung: verdict for verdict in verdicts}
    climbed = sum(verdict.state == RIGHT for verdict in verdicts)
    for section, group in groupby(rungs, key=lambda rung: rung.section):
        members = list(group)
        right = sum(rung in met and met[rung].state == RIGHT for rung in members)
        begun = members[0] in met
        title = f"{section.capitalize()}  {right}/{len(members)}"
        console.print(Text(title, "bold" if begun else "dim"))
        if begun:
            console.print(ladder(members, met))
    console.print()
    if missing := [verdict for verdict in verdicts if verdict.state != RIGHT]:
        console.print(explanation(missing[0]))
    console.print(f"{climbed} of {len(rungs)} rungs climbed by {name}.")


def ladder(members: list[Rung], met: dict[Rung, Verdict]) -> Table:
    """One section, a line for each rung."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=3, justify="right")
    table.add_column(width=16, no_wrap=True)
    table.add_column(width=39, no_wrap=True, overflow="ellipsis")
    table.add_column(width=17, no_wrap=True, justify="right")
    for rung in members:
        verdict = met.get(rung)
        mark, style, note = MARKS[verdict.state if verdict else BROKEN]
        if verdict and verdict.error:
            note = f"error {verdict.error:.0e}"
        cells = (Text(cell) for cell in (mark, rung.name, rung.help.about, note))
        table.add_row(*cells, style=style)
    return table


def explanation(verdict: Verdict) -> Panel:
    """What is expected at the first rung that is not right, what was found, and a hint."""
    rung = verdict.rung
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    title, style, pairs = "your files cannot be imported", "bold red", verdict.found
    if verdict.state != BROKEN:
        _, style, what = MARKS[verdict.state]
        title = f"{what}: {rung.name}"
        expected = f"shape {list(verdict.shape)}" if verdict.shape else "a single number"
        if rung.section == "sampling" and rung.limit == 0:
            expected = rung.help.about
        help_ = [("write in", rung.help.where), ("hint", rung.help.hint)]
        pairs = [("expected", expected), *pairs, *help_]
    for word, text in pairs:
        table.add_row(word, Text(text))
    return Panel(table, title=Text(title, style), title_align="left", border_style=style)


if __name__ == "__main__":
    sys.exit(main())
