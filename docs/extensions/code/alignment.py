"""Which lines of the backends correspond: those that do the same under the same name.

An excerpt is split into statements, and each statement is reduced to what the backends have in
common: the name it assigns, the tap it feeds, the condition it tests. `difflib` then aligns the
three short sequences that are left.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from docs.extensions.code.excerpts import Excerpt, Line, is_docstring

Key = tuple[str, ...]

ROOT_KEY: Key = ("the excerpt itself",)
"""The key of the first line: a function may have different names in different backends."""
NOT_BODY = (ROOT_KEY, ("docstring",))


@dataclass(frozen=True)
class Unit:
    """A statement, or the head of a compound one: the lines that belong together."""

    key: Key
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Placed:
    """A unit and its place in the table of all backends."""

    unit: Unit
    row: int
    links: frozenset[int]
    """Units that share one of these do the same in different backends."""


def units(excerpt: Excerpt) -> list[Unit]:
    """The statements of an excerpt, in the order of its lines. Comments belong to what follows."""
    keys = _keys_by_line(excerpt)
    found: list[Unit] = []
    key: Key = ROOT_KEY
    lines: list[Line] = []
    waiting: list[Line] = []  # empty lines and comments belong to the statement that follows
    for line in excerpt.lines:
        text = line.text.strip()
        if line.number not in keys and (not text or text.startswith("#")):
            waiting.append(line)
            continue
        if line.number in keys:
            if lines:
                found.append(Unit(key, tuple(lines)))
            key, lines = keys[line.number], []
        lines += [*waiting, line]
        waiting = []
    return [*found, Unit(key, tuple(lines + waiting))]


def place(backends: Mapping[str, Sequence[Unit]]) -> dict[str, list[Placed]]:
    """Align the units of the backends as rows of one table.

    If a backend needs one statement for it all (torch calls a library where the others compute),
    that statement is beside the first of theirs, and linked with all of them.
    """
    sizes = {backend: len(_body(some)) for backend, some in backends.items()}
    alone = {backend for backend, size in sizes.items() if size == 1 < max(sizes.values())}
    rows: list[Key] = []
    where: dict[str, dict[int, int]] = {}
    for backend, some in backends.items():
        keys = [unit.key for unit in some if backend not in alone or unit.key in NOT_BODY]
        rows, moved, own = _merge(rows, keys)
        where = {other: {i: moved[r] for i, r in at.items()} for other, at in where.items()}
        numbers = [i for i, unit in enumerate(some) if backend not in alone or unit.key in NOT_BODY]
        where[backend] = dict(zip(numbers, own, strict=True))
    body = [row for row, key in enumerate(rows) if key not in NOT_BODY]
    placed = {}
    for backend, some in backends.items():
        at = where[backend]
        placed[backend] = [
            Placed(unit, at[i], frozenset({at[i]}))
            if i in at
            else Placed(unit, body[0], frozenset(body))
            for i, unit in enumerate(some)
        ]
    return placed


def _body(some: Sequence[Unit]) -> list[Unit]:
    return [unit for unit in some if unit.key not in NOT_BODY]


def _merge(rows: list[Key], keys: list[Key]) -> tuple[list[Key], dict[int, int], list[int]]:
    """Add a backend to the table.

    Returns the rows of the new table, where the old ones are now, and where each of `keys` is.
    """
    merged: list[Key] = []
    moved: dict[int, int] = {}
    own: list[int] = []
    matcher = SequenceMatcher(None, rows, keys, autojunk=False)
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        for i in range(i1, i2):
            moved[i] = len(merged)
            merged.append(rows[i])
        if what == "equal":
            own += [moved[i] for i in range(i1, i2)]
            continue
        for key in keys[j1:j2]:
            own.append(len(merged))
            merged.append(key)
    return merged, moved, own


def _keys_by_line(excerpt: Excerpt) -> dict[int, Key]:
    """The first line of every statement, and of every `else`, with its node."""
    shown = {line.number for line in excerpt.lines}
    keys: dict[int, Key] = {}
    for part in ast.walk(excerpt.node):
        if isinstance(part, ast.stmt):
            decorators = getattr(part, "decorator_list", [])
            first = min([part.lineno, *(decorator.lineno for decorator in decorators)])
            keys[first] = _key(part)
    for line in excerpt.lines:
        if line.text.strip() in ("else:", "finally:"):
            keys[line.number] = (line.text.strip(),)
    keys = {number: key for number, key in keys.items() if number in shown}
    keys[excerpt.lines[0].number] = ROOT_KEY
    return keys


def _key(node: ast.stmt) -> Key:
    """What a statement has in common with its counterpart in another backend."""
    match node:
        case ast.FunctionDef(name=name):
            return ("def", "forward" if name == "__call__" else name)
        case ast.ClassDef(name=name):
            return ("class", name)
        case ast.Assign(targets=targets):
            return ("assign", *(ast.unparse(_whole(target)) for target in targets), _tap(node))
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return ("assign", ast.unparse(_whole(target)), _tap(node))
        case ast.If(test=test) | ast.While(test=test):
            return ("if", ast.unparse(test))
        case ast.For(target=target):
            return ("for", ast.unparse(target))
        case ast.Expr(value=ast.Call(func=function)):
            return ("call", ast.unparse(function), _tap(node))
    return ("docstring",) if is_docstring(node) else (type(node).__name__,)


def _whole(target: ast.expr) -> ast.expr:
    """y for y[:, t]: JAX assigns the whole array. But record["k"] stays as it is."""
    while isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value
    return target


def _tap(node: ast.stmt) -> str:
    """The name under which a value is tapped in this statement; "" if none is."""
    for part in ast.walk(node):
        match part:
            case ast.Call(
                func=ast.Name(id="tap") | ast.Attribute(attr="tap"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                return name
    return ""
