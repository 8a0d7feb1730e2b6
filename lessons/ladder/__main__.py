"""`python -m lessons.ladder`: how far the exercise is, and what comes next.

Exit status: 0 at the top, 1 on the way, 2 if the backend cannot be found.
"""

import importlib.util
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
from lessons.ladder.verdict import BROKEN, Verdict, judge, raised, show_path
from shared.errors import BackendError
from shared.protocol import load_backend
from shared.sources import ROOT


@dataclass(frozen=True)
class Options:
    """Whose ladder."""

    solution: Annotated[str | None, arg(metavar="FOLDER|PACKAGE", aliases=("--backend",))] = None
    """Your solution. Default: impls/exercise/, which is written if it is not there."""


@command
def main(options: Options) -> int:
    """Climb as far as the solution reaches. Returns the exit status."""
    solution = options.solution
    if solution is None:
        solution = show_path(exercise.FOLDER)
        if not list(exercise.FOLDER.glob("*.py")):
            exercise.write_exercise(exercise.FOLDER)
            print(f"{solution} is written, for you to fill; Git ignores it.")
    verdicts = list(climb(solution))
    terminal = Console(highlight=False)
    console = Console(highlight=False, width=min(WIDTH, terminal.width))
    show(console, RUNGS, verdicts, solution)
    return int(verdicts[-1].stops)


def climb(solution: str) -> Iterator[Verdict]:
    """The verdicts, up to the first rung that is not right.

    Raises:
        BackendError: there is no such solution.
    """
    name = locate(solution)
    try:
        backend = load_backend(name)
    except BackendError:
        raise
    except (Exception, SystemExit) as error:  # the learner's file cannot be imported
        spec = importlib.util.find_spec(name)
        yield Verdict(
            RUNGS[0], BROKEN, found=raised(error, folder_of(spec.origin if spec else None))
        )
        return
    folder = folder_of(getattr(backend, "__file__", None))
    reference, subject = Subject(load_backend("numpy")), Subject(backend)
    for rung in RUNGS:
        verdict = judge(rung, reference, subject, folder)
        yield verdict
        if verdict.stops:
            return


def locate(solution: str) -> str:
    """The import path of a solution, given as such or as a folder, anywhere."""
    path = Path(solution).expanduser()
    if not path.is_dir():
        if "/" in solution:
            raise BackendError(f"there is no folder {solution!r}: cp -r impls/exercise {solution}")
        return solution
    path = path.resolve()
    top = ROOT if path.is_relative_to(ROOT) else path.parent
    if str(top) not in sys.path:
        sys.path.insert(0, str(top))
    return ".".join(path.relative_to(top).parts)


def folder_of(file: str | None) -> Path | None:
    return Path(file).parent if file else None


if __name__ == "__main__":
    sys.exit(main())
