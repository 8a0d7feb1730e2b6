"""`python -m lessons.ladder`: how far the exercise is, and what comes next.

Exit status: 0 at the top, 1 on the way, 2 if there is no solution in the folder.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from lessons.command import command
from lessons.ladder import exercise
from lessons.ladder.display import WIDTH, show
from lessons.ladder.rungs import RUNGS
from lessons.ladder.subject import Subject
from lessons.ladder.verdict import BROKEN, RIGHT, Verdict, judge, raised, show_path
from shared.errors import BackendError
from shared.sources import ROOT


@dataclass(frozen=True)
class Options:
    """Whose ladder."""

    solution: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Your solution. Default: impls/exercise/, which is written if it is not there."""


@command
def main(options: Options) -> int:
    """Climb as far as the solution reaches. Returns the exit status."""
    folder = (options.solution or exercise.FOLDER).expanduser().resolve()
    solution = show_path(folder)
    if options.solution is None and not list(folder.glob("*.py")):
        exercise.write_exercise(folder)
        print(f"{solution} is written, for you to fill; Git ignores it.")
    if not folder.is_dir():
        raise BackendError(f"there is no folder {solution!r}: cp -r impls/exercise {solution}")
    verdicts = list(climb(folder))
    terminal = Console(highlight=False)
    console = Console(highlight=False, width=min(WIDTH, terminal.width))
    show(console, RUNGS, verdicts, solution)
    return int(verdicts[-1].state != RIGHT)


def climb(folder: Path) -> Iterator[Verdict]:
    """The verdicts on the solution in a folder, up to the first rung that is not right.

    Raises:
        BackendError: it holds no solution.
    """
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
        if verdict.state != RIGHT:
            return


if __name__ == "__main__":
    sys.exit(main())
