"""The lines of a room's model.py that compute a named value, found by the name of its tap."""

import ast
import textwrap
from collections.abc import Iterator

from docs.extensions.code.excerpts import Excerpt, ExcerptError, Line, find_excerpt
from shared.config import GPTConfig


def tap_lines(room: str, kind: str, config: GPTConfig) -> Excerpt:
    """The statement in which `kind` ("attn.q", "ln_1", "h", …) is tapped.

    If it changes what a statement before has made (`y = att @ v`, for one) and nobody has tapped
    yet, that statement comes first.

    Raises:
        ExcerptError: there is no such tap.
    """
    part, _, name = kind.rpartition(".")
    if part:
        where = {"attn": "CausalSelfAttention", "mlp": "MLP"}[part]
    else:
        where = "Block" if name in ("ln_1", "attn", "ln_2", "mlp") else "GPT"
    path = f"impls/{room}/model.py"
    forward = find_excerpt(path, f"{where}.forward")
    statements = list(_simple(forward.node, config))
    tapped = [(i, _value(statement, name)) for i, statement in enumerate(statements)]
    found = [(i, value) for i, value in tapped if value is not None]
    if len(found) != 1:
        raise ExcerptError(f"{where} in {path} taps {name!r} {len(found)} times, and not once")
    ((at, value),) = found
    changed = _assigned(statements[at]) & _names(value)
    before = [statement for statement in statements[:at] if _assigned(statement) & changed]
    made = [statement for statement in before[-1:] if "tap(" not in ast.unparse(statement)]
    return _excerpt(forward, [*made, statements[at]])


def _simple(node: ast.stmt, config: GPTConfig) -> Iterator[ast.stmt]:
    """The statements inside that are not compound. Of pre- and post-norm only the one that is."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "self.norm == 'pre'":
        inside = node.body if config.norm == "pre" else node.orelse
    else:
        inside = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    for child in inside:
        yield from _simple(child, config) if hasattr(child, "body") else [child]


def _value(statement: ast.stmt, name: str) -> ast.expr | None:
    """What is tapped under this name in a statement; None if nothing is."""
    for part in ast.walk(statement):
        match part:
            case ast.Call(func=ast.Name(id="tap"), args=[ast.Constant(value=tap), value]):
                if tap == name:
                    return value
            case ast.Call(func=ast.Name(id="tap"), args=[ast.JoinedStr(), value]):
                if name == "h":  # f"h.{i}", the only one that has a number in its name
                    return value
    return None


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _assigned(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a value to; not those of which it changes a part."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    whole = [target for target in targets if isinstance(target, ast.Name | ast.Tuple)]
    return {name for target in whole for name in _names(target)}


def _excerpt(forward: Excerpt, statements: list[ast.stmt]) -> Excerpt:
    """These statements alone, each without its indentation."""
    texts = {line.number: line.text for line in forward.lines}
    lines: list[Line] = []
    for statement in statements:
        numbers = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        bare = textwrap.dedent("\n".join(texts[number] for number in numbers)).split("\n")
        lines += map(Line, numbers, bare)
    return Excerpt(forward.path, statements[0], tuple(lines))
