"""The three backends have the same furniture: same classes, functions, arguments and local names.

Each file becomes an outline, one line for every class, function, argument and assigned name:

    CausalSelfAttention.forward             a function
    CausalSelfAttention.forward(cache)      its argument
    CausalSelfAttention.forward: att        a name assigned in it

Without the lines declared as differences, the three outlines must be equal. A declared difference
that no longer exists is an error, too.
"""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from shared.protocol import BACKENDS
from shared.sources import ROOT

IMPLS = ROOT / "impls"

WITH_NAMES = {"model.py", "road/attention_steps.py"}
"""Files that are also compared inside functions. The others differ too much."""

TABLE = Path(__file__).with_name("same_furniture.txt").read_text(encoding="utf-8")
"""File | backends | lines of their outline, * for any part of one | why."""
DIFFERENCES = [[cell.strip() for cell in row.split("|")] for row in TABLE.strip().splitlines()]
FILES = sorted({file for file, *_ in DIFFERENCES})


def declared(file: str, backend: str) -> list[str]:
    rows = [row for row in DIFFERENCES if row[0] == file and backend in row[1].split()]
    return [line for _, _, lines, _ in rows for line in lines.split(", ")]


def outline(backend: str, file: str) -> list[str]:
    """The lines of a file, with the backend's own names for common things made common."""
    tree = ast.parse((IMPLS / backend / file).read_text(encoding="utf-8"))
    lines = _lines(tree, "", names=file in WITH_NAMES)
    return [line.replace(backend.capitalize(), "") for line in lines]


def _lines(node: ast.Module | ast.ClassDef, prefix: str, *, names: bool) -> Iterator[str]:
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            yield prefix + part.name
            yield from _lines(part, f"{prefix}{part.name}.", names=names)
        elif isinstance(part, ast.FunctionDef):
            # nnx calls a module where torch calls its forward
            function = prefix + ("forward" if part.name == "__call__" else part.name)
            yield function
            yield from (f"{function}({argument})" for argument in _arguments(part))
            if names:
                yield from (f"{function}: {name}" for name in _assigned(part))


def _arguments(function: ast.FunctionDef) -> list[str]:
    return [part.arg for part in ast.walk(function.args) if isinstance(part, ast.arg)]


def _assigned(function: ast.FunctionDef) -> list[str]:
    """Names and attributes that a function assigns; sorted, for torch's fast path comes first."""
    named = [part for part in ast.walk(function) if isinstance(part, ast.Name | ast.Attribute)]
    return sorted({ast.unparse(part) for part in named if isinstance(part.ctx, ast.Store)})


def belongs_to(line: str, declared: str) -> bool:
    """Whether a line is the declared one or, where that is a class or function, inside of it."""
    return any(fnmatchcase(line, pattern) for pattern in (declared, f"{declared}[.(:]*"))


def common_lines(backend: str, file: str) -> list[str]:
    differences = declared(file, backend)
    lines = outline(backend, file)
    return [line for line in lines if not any(belongs_to(line, each) for each in differences)]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_the_backends_are_alike_but_for_declared_differences(file: str, backend: str) -> None:
    assert common_lines(backend, file) == common_lines("torch", file)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_declared_difference_is_one(file: str, backend: str) -> None:
    others = [set(outline(other, file)) for other in BACKENDS if other != backend]
    for line in declared(file, backend):
        found = {own for own in outline(backend, file) if fnmatchcase(own, line)}
        assert found, f"{line} is declared but not there"
        assert not found & set.intersection(*others), f"{line} is declared but in every backend"


def test_all_files_that_the_backends_share_are_compared() -> None:
    files = [{path.name for path in (IMPLS / backend).glob("*.py")} for backend in BACKENDS]
    alike = {"__init__.py", "train.py", "sample.py"}  # a few lines each
    assert set.intersection(*files) - alike <= set(FILES)


def test_every_backward_stands_directly_under_its_forward() -> None:
    lines = [line for line in outline("numpy", "model.py") if "(" not in line and ":" not in line]
    for forward, backward in (("forward", "backward"), ("cross_entropy", "cross_entropy_backward")):
        found = [i for i, line in enumerate(lines) if line.split(".")[-1] == forward]
        assert found
        for i in found:
            prefix = lines[i].removesuffix(forward)
            assert lines[i + 1 : i + 2] == [prefix + backward], f"below {lines[i]}"
