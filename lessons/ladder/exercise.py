"""Makes the exercise: the files of the NumPy backend, with gaps in place of its mathematics."""

import ast
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from textwrap import dedent, indent

from lessons.ladder.gaps import EDITS, GAPS, INIT, PLAINER
from shared.files import explained
from shared.sources import ROOT

FOLDER = ROOT / "impls" / "exercise"
"""Where the reader writes. Git does not track it."""

SOURCE = ROOT / "impls" / "numpy"
FILES = ("nn", "model", "optim", "cache", "generate", "step", "trace", "backend")


def write_exercise(folder: Path, gaps: Collection[str] = GAPS) -> None:
    """Make `folder`, whole or not at all. What is not among `gaps` is as in the NumPy backend.

    Raises:
        RunError: it cannot be written, or something is there already.
    """
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)  # removing the files leaves it
    with (
        explained("write the exercise to", folder),
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary,
    ):
        made = Path(temporary) / folder.name
        made.mkdir()
        (made / "__init__.py").write_text(INIT, encoding="utf-8")
        for name in FILES:
            text = exercise(f"{name}.py", gaps)
            (made / f"{name}.py").write_text(text, encoding="utf-8")
        made.rename(folder)  # fails if anything is in `folder`


def exercise(file: str, gaps: Collection[str]) -> str:
    """The text of one file of the exercise."""
    source = (SOURCE / file).read_text(encoding="utf-8")
    lines, tree = source.splitlines(), ast.parse(source)
    for name, function in reversed(list(functions(tree))):  # from the end: line numbers stay
        key = f"{file} {name}"
        if key in gaps or key in PLAINER:
            first, body = function.body[0], dedent((GAPS | PLAINER)[key]).strip()
            keep = bool(ast.get_docstring(function)) and not body.startswith('"')
            start = first.end_lineno if keep else first.lineno - 1
            lines[start : function.end_lineno] = indent(body, " " * first.col_offset).splitlines()
    if any("todo(" in line for line in lines):
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        relative = [node.lineno - 1 for node in imports if getattr(node, "level", 0)]
        lines.insert(min(relative, default=imports[-1].lineno), "from . import todo")
    text = "\n".join(lines) + "\n"
    for edited, old, new in EDITS:
        if edited == file:
            assert old in text, f"impls/numpy/{file} no longer has {old!r}"
            text = text.replace(old, new)
    return text


def functions(
    node: ast.Module | ast.ClassDef, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef]]:
    """All functions in their order, those of classes as Class.function."""
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            yield from functions(part, f"{prefix}{part.name}.")
        elif isinstance(part, ast.FunctionDef):
            yield prefix + part.name, part
