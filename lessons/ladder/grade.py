"""Results of the ladder for a course: a file for a grading program, and a table of a class."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lessons.ladder.rungs import RUNGS
from lessons.ladder.verdict import BROKEN, RIGHT, Verdict
from shared.commands.terminal import escape_controls
from shared.errors import UserError
from shared.files import explained, write_whole
from shared.sources import ROOT

Result = dict[str, Any]
SECTIONS = [(section, len(list(rungs))) for section, rungs in groupby(RUNGS, lambda r: r.section)]
"""Their names, and how many rungs each has."""
UNREADABLE = "the files cannot be imported"


def write_grade(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write a point for every rung that is right, as JSON for Gradescope (`results.json` in its
    documentation of autograders) or, if `path` ends in .xml, as JUnit's. Raises `RunError` if it
    cannot be written."""
    results = list(results_of(verdicts))
    if path.suffix == ".json":
        text = json.dumps({"tests": results}, indent=1)
    else:
        text = ElementTree.tostring(junit(results), encoding="unicode", xml_declaration=True)
    with explained("write", path):
        write_whole(path, text + "\n")


def results_of(verdicts: Sequence[Verdict]) -> Iterator[Result]:
    """One for each rung. Those without a verdict are not right: the files could not be imported."""
    known = {verdict.rung: verdict for verdict in verdicts}
    for rung in RUNGS:
        verdict = known.get(rung, verdicts[-1])
        right = verdict.state == RIGHT
        found = [("error", UNREADABLE)] if verdict.state == BROKEN else []
        told = "\n".join(f"{word}: {text}" for word, text in [*found, *verdict.found])
        yield {
            "name": f"{rung.section}: {rung.name}",
            "score": int(right),
            "max_score": 1,
            "status": "passed" if right else "failed",
            "output": escape_controls(told),  # XML cannot hold them
        }


def junit(results: Sequence[Result]) -> ElementTree.Element:
    """A test suite as continuous integration reads it."""
    failures = [result for result in results if result["status"] != "passed"]
    counts = {"tests": str(len(results)), "failures": str(len(failures))}
    suite = ElementTree.Element("testsuite", {"name": "the ladder", **counts})
    for result in results:
        section, _, name = result["name"].partition(": ")
        case = ElementTree.SubElement(suite, "testcase", {"classname": section, "name": name})
        if result in failures:
            ElementTree.SubElement(case, "failure", {"message": result["output"]})
    return suite


def print_class(console: Console, folder: Path, seed: int, seconds: float) -> None:
    """Print a table with every solution in a folder: its points by section, and the first rung that
    is not right; below it, what kept solutions from being judged. Raises `UserError` if there are
    none."""
    if not (solutions := sorted(path for path in folder.glob("[!._]*") if path.is_dir())):
        raise UserError(f"there are no folders in {str(folder)!r}")
    table = Table("", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in (*(section for section, _ in SECTIONS), "all"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("next", overflow="fold")
    table.add_row("possible", *(str(size) for _, size in SECTIONS), str(len(RUNGS)), style="dim")
    troubles = {}
    for solution in solutions:
        results, troubles[solution.name] = judge_apart(solution, seed, seconds)
        missing = [result["name"] for result in results if not result["score"]]
        right = [result["name"].partition(": ")[0] for result in results if result["score"]]
        points = [*(right.count(section) for section, _ in SECTIONS), len(right)]
        numbers = map(str, points if results else ["–"] * len(points))
        first = missing[0].partition(": ")[2] if missing else ""
        table.add_row(Text(escape_controls(solution.name)), *numbers, first)
    console.print(table)
    for name, trouble in troubles.items():
        if trouble:
            console.print(Text(escape_controls(f"{name}: {trouble}")), soft_wrap=True)


def judge_apart(solution: Path, seed: int, seconds: float) -> tuple[list[Result], str]:
    """The results of a solution, judged in its own process; and if that crashed or hung, how."""
    with tempfile.TemporaryDirectory(prefix="ladder-") as directory:
        copy = Path(directory) / solution.name.replace(".", "_")  # a module has no dots
        grade = Path(directory) / "grade.json"
        shutil.copytree(solution, copy)
        options = ["--solution", str(copy), "--grade", str(grade), "--seed", str(seed)]
        command = [sys.executable, "-m", "lessons.ladder", *options]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return [], f"no end after {seconds:g} s"
        if grade.exists():
            results = json.loads(grade.read_text(encoding="utf-8"))["tests"]
            output = results[0]["output"]
            return results, " ".join(output.splitlines()) if UNREADABLE in output else ""
        told = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return [], told.removeprefix("error: ") or f"its process ended with {done.returncode}"
