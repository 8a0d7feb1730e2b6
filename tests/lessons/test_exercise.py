"""The exercise and its ladder: without a solution, with partial, complete and wrong ones."""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance import cases
from lessons.ladder import __main__ as command
from lessons.ladder import exercise
from lessons.ladder.exercise import GAPS, write_exercise
from lessons.ladder.rungs import HINTS, RUNGS
from lessons.ladder.verdict import OPEN, RIGHT, WRONG, Verdict
from shared.sources import ROOT


@pytest.fixture
def solution(tmp_path, monkeypatch) -> Path:
    """A directory for a solution, which is unloaded after the test."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    unload()
    yield tmp_path / "my_gpt"
    unload()


def unload() -> None:
    """Forget what was imported from a folder of this name."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_gpt"]:
        del sys.modules[name]


def climb(solution: Path) -> tuple[list[str], Verdict]:
    """The rungs that were climbed, and the last verdict."""
    unload()
    verdicts = list(command.climb(solution))
    return [v.rung.name for v in verdicts if v.state == RIGHT], verdicts[-1]


def advised(verdict: Verdict) -> list[str]:
    """The gaps that the ladder points to: by its advice, and by the line where it stopped."""
    parts = verdict.rung.help.where.split(";")
    return [
        gap
        for gap, (file, name) in ((gap, gap.split()) for gap in GAPS)
        if any(file in part and name.removesuffix(".__init__") in part for part in parts)
        or re.search(rf"{file}:\d+, in {name.rpartition('.')[2]}$", told(verdict), re.MULTILINE)
    ]


def told(verdict: Verdict) -> str:
    return "\n".join(f"{word}: {what}" for word, what in verdict.found)


def assemble(folder: Path, solved=GAPS) -> None:
    """An exercise in which some gaps are filled as in the NumPy backend; by default all."""
    write_exercise(folder, [gap for gap in GAPS if gap not in solved])


def change(path: Path, old: str, new: str) -> None:
    """Replace a text that occurs once in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_rung_has_a_hint_and_every_hint_a_rung() -> None:
    assert [(rung.section, rung.name) for rung in RUNGS] == list(HINTS)


def test_the_untouched_exercise_is_written_once(solution: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(exercise, "FOLDER", solution)
    assert command.main([]) == 1
    shown = capsys.readouterr().out
    assert "my_gpt is written" in shown
    assert "✓" not in shown
    assert "next: embed" in shown
    assert "shape [3, 11, 24]" in shown
    assert "my_gpt/model.py:" in shown
    assert f"0 of {len(RUNGS)} rungs climbed by my_gpt" in shown
    assert max(map(len, shown.splitlines())) <= 80
    change(solution / "nn.py", "import math", "import math  # mine")
    assert command.main([]) == 1
    assert "is written" not in capsys.readouterr().out
    assert "# mine" in (solution / "nn.py").read_text()


def test_a_whole_solution_reaches_the_top_and_is_the_numpy_backend(solution: Path, capsys) -> None:
    """So the suite, which is run on a copy of that backend elsewhere, need not be run on it."""
    assemble(solution)
    assert command.main(["--solution", str(solution)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("✓") == len(RUNGS)
    assert f"{len(RUNGS)} of {len(RUNGS)} rungs climbed" in shown
    for name in {path.name for path in solution.glob("*.py")} - {"__init__.py", "backend.py"}:
        theirs, own = ((folder / name).read_text() for folder in (ROOT / "impls/numpy", solution))
        assert own.splitlines()[1:] == theirs.splitlines()[1:], "except for its first line"


def test_one_gap_after_the_other_leads_upwards(solution: Path) -> None:
    """In the order of the ladder's own advice, every function brings one at least as high."""
    heights = []
    solved: list[str] = []
    while True:
        assemble(solution, solved)
        right, last = climb(solution)
        shutil.rmtree(solution)
        heights.append(len(right))
        if len(right) == len(RUNGS):
            break
        wanted = [gap for gap in advised(last) if gap not in solved]
        assert wanted, f"{last.rung.section} {last.rung.name}: nothing left to write"
        slow = wanted == ["generate.py decode"]  # nothing is missing there
        assert (last.state, last.rung.name) == (WRONG, "cached") if slow else last.state == OPEN
        solved += wanted
    assert set(solved) == set(GAPS), "no gap is passed over"
    assert heights == sorted(heights)
    assert heights[0] == 0
    assert heights[-1] == len(RUNGS)
    assert len(set(heights)) > 12


MISTAKES = tomllib.loads(Path(__file__).with_name("mistakes.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "old", "new", "rung", "message"), MISTAKES["wrong"])
def test_a_mistake_is_found_where_it_is(solution, file, old, new, rung, message) -> None:
    assemble(solution)
    change(solution / file, old, new)
    _, last = climb(solution)
    assert (last.state, last.rung.name) == (WRONG, rung), told(last)
    assert message in told(last)


@pytest.mark.parametrize(("file", "old", "new", "message"), MISTAKES["raising"])
def test_an_exception_is_shown_with_its_line_and_no_traceback(
    solution: Path, capsys, file: str, old: str, new: str, message: str
) -> None:
    assemble(solution)
    change(solution / file, old, new)
    assert command.main(["--solution", "my_gpt"]) == 1  # a folder in the current directory
    shown = capsys.readouterr()
    assert re.search(rf"my_gpt/{file}:\d+", shown.out)
    assert message in shown.out
    assert "Traceback" not in shown.out + shown.err
    assert max(map(len, shown.out.splitlines())) <= 80


def test_grades_are_written_for_every_rung(solution: Path, tmp_path, capsys) -> None:
    """What lies above a gap is still worth its points."""
    late = next(gap for gap in GAPS if gap.endswith("AdamW.step"))
    assemble(solution, [gap for gap in GAPS if gap != late])
    change(solution / "nn.py", "import math", 'import math\n\nprint("hello")')
    command_line = ["--solution", str(solution), "--seed", "3", "--grade"]
    try:
        assert command.main([*command_line, str(tmp_path / "grade.json")]) == 1
        unload()
        assert command.main([*command_line, str(tmp_path / "grade.xml")]) == 1
    finally:
        cases.base_seed = 0
    results = json.loads((tmp_path / "grade.json").read_text())["tests"]
    assert [result["name"] for result in results] == [f"{r.section}: {r.name}" for r in RUNGS]
    lost = [result for result in results if result["score"] < result["max_score"]]
    assert {result["name"].split(":")[0] for result in lost} == {"optimizer"}
    assert all(result["status"] == "failed" and "to do" in result["output"] for result in lost)
    assert results[-1]["status"] == "passed"
    suite = ElementTree.parse(tmp_path / "grade.xml").getroot()
    assert suite.get("tests") == str(len(RUNGS)) == str(len(suite))
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert {f"optimizer: {name}" for name in failed} == {result["name"] for result in lost}
    assert len(failed) == int(suite.get("failures"))


def test_a_class_is_judged_each_in_a_process_of_its_own(tmp_path, capsys) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    for name in ("ann.b", "bob", "cy", "dan"):
        assemble(folder / name)
    change(folder / "bob" / "nn.py", "import math", "import math\n\nwhile True:\n    pass\n")
    change(folder / "cy" / "nn.py", "import math", 'raise SystemExit("\\x1b[31mno")')
    change(folder / "dan" / "backend.py", "import numpy", "import os\n\nos._exit(9)\nimport numpy")
    assert command.main(["--submissions", str(folder), "--seconds", "6"]) == 0
    table, _, troubles = capsys.readouterr().out.partition("bob: ")
    rows = {row.split()[0]: row.split()[1:] for row in table.splitlines()[1:]}
    assert rows["ann.b"] == rows["possible"]
    assert rows["bob"] == rows["dan"] == ["–"] * 7
    assert rows["cy"] == ["0"] * 7 + ["embed"]
    assert "no end after 6 s\n" in troubles
    assert "cy: error: the files cannot be imported raised: SystemExit: \\x1b[31mno" in troubles
    assert "dan: its process ended with 9" in troubles
    assert {path.suffix for path in folder.rglob("*")} == {"", ".py", ".b"}, "nothing is written"
