"""Which lines of the backends correspond: those that do the same under the same name. An excerpt is
split into statements, and each statement is reduced to what the backends have in common: the name
it assigns, the tap it feeds, the condition it tests. `difflib` then aligns the three short
sequences that are left."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from docs.extensions.code.excerpts import Excerpt, Line, first_line, taps

Key = tuple[str, ...]

ROOT_KEY: Key = ("the excerpt itself",)
"""The key of the first line: a function may have different names in different backends."""
FRAME = (ROOT_KEY, ("docstring",))
"""The keys of the parts of a function outside its body."""


@dataclass(eq=False)
class Unit:
    """A statement, or the head of a compound one: the lines that belong together."""

    key: Key
    lines: list[Line]
    row: int = 0
    """Its row in the table of all backends."""
    links: Sequence[int] = ()
    """Units that share one of these do the same in different backends."""


def units(excerpt: Excerpt) -> list[Unit]:
    """The statements of an excerpt, in the order of its lines. Comments belong to what follows."""
    keys = _keys_by_line(excerpt)
    found: list[Unit] = []
    waiting: list[Line] = []  # empty lines and comments belong to the statement that follows
    for line in excerpt.lines:
        text = line.text.strip()
        if line.number in keys:
            found.append(Unit(keys[line.number], [*waiting, line]))
            waiting = []
        elif not text or text.startswith("#"):
            waiting.append(line)
        else:
            found[-1].lines += [*waiting, line]
            waiting = []
    found[-1].lines += waiting
    return found


def place(backends: Sequence[Sequence[Unit]]) -> int:
    """Align the units of the backends as rows of one table. Returns the number of rows. If a
    backend needs one statement for it all (torch calls a library where the others compute), it is
    placed beside the first of theirs, and linked with all of them."""
    bodies = [[unit for unit in some if unit.key not in FRAME] for some in backends]
    alone = [body[0] for body in bodies if len(body) == 1 < max(map(len, bodies))]
    table: list[list[Unit]] = []
    for some in backends:
        table = _merge(table, [unit for unit in some if unit not in alone])
    for number, row in enumerate(table):
        for unit in row:
            unit.row, unit.links = number, [number]
    body = [number for number, row in enumerate(table) if row[0].key not in FRAME]
    for unit in alone:
        unit.row, unit.links = body[0], body
    return len(table)


def _merge(table: list[list[Unit]], own: list[Unit]) -> list[list[Unit]]:
    """The table with the units of one more backend."""
    keys = [row[0].key for row in table], [unit.key for unit in own]
    merged: list[list[Unit]] = []
    for what, i1, i2, j1, j2 in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if what == "equal":
            merged += [[*table[i], unit] for i, unit in zip(range(i1, i2), own[j1:j2], strict=True)]
        else:
            merged += [*table[i1:i2], *([unit] for unit in own[j1:j2])]
    return merged


def _keys_by_line(excerpt: Excerpt) -> dict[int, Key]:
    """The first visible line of every statement, and of every `else`, with its key."""
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
        case ast.Expr(value=ast.Constant(value=str())):
            return ("docstring",)
    return (type(node).__name__,)


def _whole(target: ast.expr) -> ast.expr:
    """y for y[:, t]: JAX assigns the whole array. But record["k"] stays as it is."""
    while isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Constant):
        target = target.value
    return target


def _tap(node: ast.stmt) -> str:
    """The name under which a value is tapped in this statement; "" if none is."""
    return next(iter(taps(node)), "")
