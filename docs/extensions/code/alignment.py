"""Which lines of the backends correspond: those that do the same under the same name.

An excerpt is split into statements, and each statement is reduced to what the backends have in
common: the name it assigns, the tap it feeds, the condition it tests. `difflib` then aligns the
three short sequences that are left.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from docs.extensions.code.excerpts import Excerpt, Line, first_line, is_docstring, taps

Key = tuple[str, ...]

ROOT_KEY: Key = ("the excerpt itself",)
"""The key of the first line: a function may have different names in different backends."""
FRAME = (ROOT_KEY, ("docstring",))
"""The keys of what a function has besides its body."""


@dataclass(frozen=True)
class Unit:
    """A statement, or the head of a compound one: the lines that belong together."""

    key: Key
    lines: tuple[Line, ...]


@dataclass(frozen=True, eq=False)
class Row:
    """A row of the table of all backends."""

    key: Key


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
    sizes = {name: sum(not _is_frame(unit) for unit in some) for name, some in backends.items()}
    alone = {name for name, size in sizes.items() if size == 1 < max(sizes.values())}
    table: list[Row] = []
    rows: dict[tuple[str, Unit], Row] = {}
    for name, some in backends.items():
        own = [unit for unit in some if name not in alone or _is_frame(unit)]
        table, found = _merge(table, [unit.key for unit in own])
        rows |= zip([(name, unit) for unit in own], found, strict=True)
    numbers = {row: number for number, row in enumerate(table)}
    body = [number for row, number in numbers.items() if row.key not in FRAME]

    def placed(name: str, unit: Unit) -> Placed:
        if row := rows.get((name, unit)):
            return Placed(unit, numbers[row], frozenset({numbers[row]}))
        return Placed(unit, body[0], frozenset(body))

    return {name: [placed(name, unit) for unit in some] for name, some in backends.items()}


def _is_frame(unit: Unit) -> bool:
    return unit.key in FRAME


def _merge(table: list[Row], keys: list[Key]) -> tuple[list[Row], list[Row]]:
    """Add a backend to the table. Returns the new table, and the row of each of `keys`."""
    merged: list[Row] = []
    own: list[Row] = []
    matcher = SequenceMatcher(None, [row.key for row in table], keys, autojunk=False)
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        old = table[i1:i2]
        new = [] if what == "equal" else [Row(key) for key in keys[j1:j2]]
        merged += old + new
        own += old if what == "equal" else new
    return merged, own


def _keys_by_line(excerpt: Excerpt) -> dict[int, Key]:
    """The first line that is shown of every statement, and of every `else`, with its key."""
    statements = [part for part in ast.walk(excerpt.node) if isinstance(part, ast.stmt)]
    keys = {first_line(statement): _key(statement) for statement in statements}
    for line in excerpt.lines:
        if line.text.strip() in ("else:", "finally:"):
            keys[line.number] = (line.text.strip(),)
    keys[excerpt.lines[0].number] = ROOT_KEY
    shown = {line.number for line in excerpt.lines}
    return {number: key for number, key in keys.items() if number in shown}


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
    return next(iter(taps(node)), "")
