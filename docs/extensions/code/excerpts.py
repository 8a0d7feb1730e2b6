"""Excerpts: a class, a function or a table of the sources, found by its name."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from shared.errors import UserError
from shared.sources import ROOT

LEFT_OUT = "backward"
"""The method omitted from an excerpt of a class: only NumPy has it, and shows it separately."""


class ExcerptError(UserError):
    """A page asks for code that does not exist."""


@dataclass(frozen=True)
class Line:
    """A line of a source, without the indentation common to the whole excerpt."""

    number: int
    """The line number in its file, from 1."""
    text: str


@dataclass(frozen=True)
class Excerpt:
    path: str
    """From the top of the repository, with slashes."""
    node: ast.stmt
    lines: tuple[Line, ...]

    @property
    def place(self) -> str:
        """impls/torch/model.py:75"""
        return f"{self.path}:{self.lines[0].number}"


def find_excerpt(path: str, name: str, *, docstring: bool = True) -> Excerpt:
    """Cut a definition out of a file, whose path is from the top of the repository.

    Its name is "softmax", "LayerNorm", "LayerNorm.forward" (also finds JAX's `__call__`), or one
    that the module assigns. Raises `ExcerptError` if there is no such file or name."""
    file = ROOT / path
    if not file.is_file():
        raise ExcerptError(f"there is no file {path}")
    source = file.read_text(encoding="utf-8")
    node: Any = ast.parse(source)
    for part in name.split("."):
        body = getattr(node, "body", [])
        node = next((child for child in body if part in _names(child)), None)
        if node is None:
            raise ExcerptError(f"there is no {name} in {path}")
    hidden = set(_left_out(node)) | (set() if docstring else set(_docstrings(node)))
    lines = source.splitlines()
    numbers = (n for n in range(first_line(node), node.end_lineno + 1) if n not in hidden)
    shown = tuple(Line(number, lines[number - 1][node.col_offset :]) for number in numbers)
    return Excerpt(path, node, shown)


def _names(node: ast.stmt) -> set[str]:
    """What a statement defines. nnx calls a module where torch calls its forward."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name, "forward"} if node.name == "__call__" else {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()


def _left_out(node: Any) -> Iterator[int]:
    """The lines of a class's method that is not shown, with the empty ones before it."""
    if isinstance(node, ast.ClassDef):
        for before, child in pairwise(node.body):
            if isinstance(child, ast.FunctionDef) and child.name == LEFT_OUT:
                yield from range((before.end_lineno or 0) + 1, (child.end_lineno or 0) + 1)


def _docstrings(node: ast.stmt) -> Iterator[int]:
    """The lines of all docstrings, except where a docstring is the whole body."""
    for part in ast.walk(node):
        if not isinstance(part, ast.FunctionDef | ast.ClassDef) or len(part.body) == 1:
            continue
        if ast.get_docstring(part) is not None:
            yield from range(part.body[0].lineno, part.body[1].lineno)


def first_line(node: ast.stmt) -> int:
    """Where a statement begins, with its decorators."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def taps(node: ast.stmt) -> dict[str, ast.expr]:
    """The values that are tapped in a statement, by name."""
    found = {}
    for part in ast.walk(node):
        match part:
            case ast.Call(
                func=ast.Name(id="tap") | ast.Attribute(attr="tap"),
                args=[ast.Constant(value=str(name)), value, *_],
            ):
                found[name] = value
    return found
