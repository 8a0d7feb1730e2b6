"""Makes the exercise: the files of the NumPy backend, with gaps in place of its mathematics."""

import ast
import re
import shutil
import tempfile
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from textwrap import fill, indent

from shared.files import explained
from shared.sources import ROOT

FOLDER = ROOT / "impls" / "exercise"
"""Where the reader writes. Git does not track it."""

FILES = [
    *("nn", "dropout", "model", "optim", "cache", "generate"),
    *("step", "backend", "runtime/__init__", "runtime/parallel", "runtime/trace"),
]

# What is missing, by file and function of the NumPy backend.
TABLE = tomllib.loads(Path(__file__).with_name("gaps.toml").read_text(encoding="utf-8"))
WHOLE: dict[str, str] = TABLE["whole"]
"""Functions without a body: what to write, under NumPy's docstring."""
PARTS: dict[str, dict[str, str]] = TABLE["parts"]
"""Functions with gaps: expressions of NumPy's, and what they are."""
((DECODE, SLOW),) = TABLE["slow"].items()
"""The function whose body is right, only slow, and that body."""
GAPS = (*WHOLE, *PARTS, DECODE)
"""What the reader writes."""
EDITS: dict[str, dict[str, str]] = TABLE["edits"]
"""By file: what else reads differently there."""
INIT: str = TABLE["init"]["__init__.py"]
"""The text of the exercise's first file."""


def write_exercise(folder: Path, gaps: Collection[str] = GAPS) -> None:
    """Make `folder`, whole or not at all. What is not among `gaps` is as in the NumPy backend.
    Raises `RunError` if it cannot be written, or something is there already."""
    if all(path.suffix == ".pyc" for path in folder.rglob("*") if path.is_file()):
        shutil.rmtree(folder, ignore_errors=True)  # deleting the sources leaves these
    with (
        explained("write the exercise to", folder),
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary,
    ):
        made = Path(temporary) / folder.name
        made.mkdir()
        (made / "__init__.py").write_text(INIT, encoding="utf-8")
        for name in FILES:
            path = made / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(exercise(f"{name}.py", gaps), encoding="utf-8")
        made.rename(folder)  # fails if anything is in `folder`


def exercise(file: str, gaps: Collection[str]) -> str:
    """The text of one file of the exercise."""
    text = (ROOT / "impls" / "numpy" / file).read_text(encoding="utf-8")
    lines = text.splitlines()
    for name, function in reversed(list(functions(ast.parse(text)))):  # line numbers stay
        if (key := f"{file} {name}") in gaps:
            first = function.body[0]
            documented = ast.get_docstring(function) is not None and key != DECODE
            start = first.end_lineno if documented else first.lineno - 1
            body = "\n".join(lines[start : function.end_lineno])
            lines[start : function.end_lineno] = gap(key, body, first.col_offset).splitlines()
    text = "\n".join(lines) + "\n"
    if "todo(" in text:
        text = re.sub("((\nfrom shared.*)+)", r"\1\nfrom . import todo", text, count=1)
    return replaced(text, EDITS.get(file, {}))


def gap(key: str, body: str, margin: int) -> str:
    """What the exercise has in place of a function's body, with a left margin."""
    if key in PARTS:
        todo = {
            old: f'{" = " if old.startswith("[") else ""}todo("{what}")'
            for old, what in PARTS[key].items()
        }
        return replaced(body, todo)
    if key == DECODE:
        return indent(SLOW, " " * margin)
    what = fill(WHOLE[key], 80)
    quote = '"""' if "\n" in what else '"'
    return indent(f"return todo({quote}{what}{quote})", " " * margin)


def replaced(text: str, changes: dict[str, str]) -> str:
    """The text with every key of `changes` replaced, each of which must be there."""
    for old, new in changes.items():
        assert old in text, f"impls/numpy no longer has {old!r}"
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
