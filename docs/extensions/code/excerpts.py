"""Excerpts: a class, a function or a table of the sources, found by its name."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
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
    """A piece of a source file."""

    path: str
    """From the top of the repository, with slashes."""
    node: ast.stmt
    lines: tuple[Line, ...]

    @property
    def place(self) -> str:
        """impls/torch/model.py:75"""
        return f"{self.path}:{self.lines[0].number}"


def find_excerpt(path: str, name: str, *, docstring: bool = True) -> Excerpt:
    """Cut a definition out of a file.

    Args:
        path: the file, from the top of the repository.
        name: "softmax", "LayerNorm", "LayerNorm.forward" (also finds JAX's `__call__`), or a name
            that the module assigns.
        docstring: whether docstrings are shown.

    Raises:
        ExcerptError: there is no such file, or it has no such name.
    """
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
    numbers = range(first_line(node), _last(node) + 1)
    hidden = set(_left_out(node)) | (set() if docstring else set(_docstrings(node)))
    lines = source.splitlines()
    shown = [Line(n, lines[n - 1][node.col_offset :]) for n in numbers if n not in hidden]
    while not shown[-1].text.strip():  # the empty lines before the omitted method
        shown.pop()
    return Excerpt(path, node, tuple(shown))


def _names(node: ast.stmt) -> set[str]:
    """What a statement defines. nnx calls a module where torch calls its forward."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name, "forward"} if node.name == "__call__" else {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()


def _last(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


def _left_out(node: ast.stmt) -> Iterator[int]:
    """The lines of the methods that are not shown, with the empty ones before them."""
    if not isinstance(node, ast.ClassDef):
        return
    for before, child in zip([None, *node.body], node.body, strict=False):
        if isinstance(child, ast.FunctionDef) and child.name == LEFT_OUT:
            yield from range(_last(before) + 1 if before else child.lineno, _last(child) + 1)


def _docstrings(node: ast.stmt) -> Iterator[int]:
    """The lines of all docstrings, except where a docstring is the whole body."""
    for part in ast.walk(node):
        if not isinstance(part, ast.FunctionDef | ast.ClassDef) or len(part.body) == 1:
            continue
        if is_docstring(part.body[0]):
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


def is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is only a string."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
