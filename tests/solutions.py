"""Right and wrong solutions of the exercise, assembled from the NumPy backend."""

import ast
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from shared.sources import ROOT

IMPLS = ROOT / "impls"
FILES = ("nn.py", "model.py", "optim.py", "cache.py", "generate.py")
GIVEN = ("step.py", "trace.py")


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    """All functions of a file, those of classes as Class.function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return dict(_walk(tree, ""))


def _walk(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            yield from _walk(part, f"{prefix}{part.name}.")
        elif isinstance(part, ast.FunctionDef):
            yield prefix + part.name, part


def gaps(file: str) -> list[str]:
    """The functions of a file of the exercise that are left to the learner."""
    calls = {
        name: [part.func for part in ast.walk(function) if isinstance(part, ast.Call)]
        for name, function in functions(IMPLS / "exercise" / file).items()
    }
    return [
        name
        for name, called in calls.items()
        if any(isinstance(function, ast.Name) and function.id == "todo" for function in called)
    ]


GAPS = [(file, name) for file in FILES for name in gaps(file)] + [("generate.py", "generate")]
"""Everything that the learner writes. `generate` has no `todo`: its code is right, only slow."""


def assemble(folder: Path, solved: Collection[tuple[str, str]]) -> Path:
    """A copy of the exercise in which some gaps are filled as in the NumPy backend."""
    shutil.copytree(IMPLS / "exercise", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        fill(folder / file, IMPLS / "numpy" / file, {name for f, name in solved if f == file})
    return folder


def fill(path: Path, model: Path, names: Collection[str]) -> None:
    """Replace functions of one file by those of another, and add the helpers that it lacks."""
    lines, source = path.read_text("utf-8").splitlines(), model.read_text("utf-8").splitlines()
    here, there = functions(path), functions(model)

    def text(function: ast.FunctionDef) -> list[str]:
        return source[function.lineno - 1 : function.end_lineno]

    for name in sorted(names, key=lambda name: -here[name].lineno):  # from the end: lines stay
        function = here[name]
        lines[function.lineno - 1 : function.end_lineno] = text(there[name])
    for name, function in there.items():
        if name not in here:
            lines += ["", "", *text(function)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def change(path: Path, old: str, new: str) -> None:
    """Replace a text that occurs once in a file."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")
