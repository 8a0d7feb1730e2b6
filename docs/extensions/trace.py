"""`{trace} trace`: the architecture, whose values docs/_static/trace.js shows, and the lines of
each backend that compute them, found by the names of their taps."""

import ast
import textwrap
from collections.abc import Iterator

from docutils import nodes

from docs.data import Product
from docs.extensions.code.architecture import Architecture
from docs.extensions.code.excerpts import Excerpt, ExcerptError, Line, find_excerpt, taps
from docs.extensions.code.panes import highlighted
from docs.extensions.directive import BACKENDS, raw
from docs.extensions.figures import Play
from docs.extensions.template import fill
from shared.config import GPTConfig

MODULES = {"fc": "c_fc", "act": "activation", "h": "block"}
"""Modules whose names differ from those of their taps."""


class Trace(Play):
    """The numbers of the producer, a diagram of its model, and the code of every kind of value."""

    def of_product(self, product: Product) -> list[nodes.Node]:
        return [raw("", "bug"), *super().of_product(product)]  # its script comes first

    def place(self, product: Product) -> str:
        config = GPTConfig(**product.data["config"])
        values = product.data["taps"]
        names = {tap: f"{tap}, [{', '.join(found['letters'])}]" for tap, found in values.items()}
        kinds = dict.fromkeys(found["kind"] for found in values.values())
        code = {kind: {b: tap_lines(b, kind) for b in BACKENDS} for kind in kinds}
        shown = {"kinds": code, "backends": BACKENDS, "highlighted": highlighted}
        return fill("trace", picture=Architecture(config, names), **shown)


def tap_lines(backend: str, kind: str) -> Excerpt:
    """The statement that computes `kind` ("attn.q", "ln_1", "h", …).

    The statement calls the module of that name, or `tap` with it. If it changes the value of the
    statement before (such as `y = kept @ v`), that statement is included. Raises `ExcerptError` if
    there is no such statement, or more than one."""
    part, _, name = kind.rpartition(".")
    if part:
        where = {"attn": "CausalSelfAttention.forward", "mlp": "MLP.forward"}[part]
    elif name == "probs":
        where = "trace"
    else:
        where = f"{'Block' if name in ('ln_1', 'attn', 'ln_2', 'mlp') else 'GPT'}.forward"
    path = f"impls/{backend}/{'runtime/trace' if where == 'trace' else 'model'}.py"
    function = find_excerpt(path, where)
    statements = list(_simple(function.node))
    found = [i for i, statement in enumerate(statements) if _computes(statement, name)]
    if len(found) != 1:
        raise ExcerptError(f"{where} in {path} computes {name!r} {len(found)} times, and not once")
    (at,) = found
    made = []
    if value := taps(statements[at]).get(name):
        changed = _assigned(statements[at]) & _names(value)
        before = [statement for statement in statements[:at] if _assigned(statement) & changed]
        made = [statement for statement in before[-1:] if "tap(" not in ast.unparse(statement)]
    return _excerpt(function, [*made, statements[at]])


def _simple(node: ast.stmt) -> Iterator[ast.stmt]:
    """The simple statements inside; of pre- and post-norm, pre-norm, as the site's model has it."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "self.norm == 'pre'":
        inside = node.body
    else:
        inside = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    for child in inside:
        yield from _simple(child) if hasattr(child, "body") else [child]


def _computes(statement: ast.stmt, name: str) -> bool:
    """Whether a statement computes the value of this name."""
    if name == "logits":
        return isinstance(statement, ast.Return)  # the model returns them
    if name == "probs":
        return "record['probs'] =" in ast.unparse(statement)
    module = MODULES.get(name, name)
    called = {ast.unparse(part.func) for part in ast.walk(statement) if isinstance(part, ast.Call)}
    return bool(called & {module, f"self.{module}"}) or name in taps(statement)


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _assigned(statement: ast.stmt) -> set[str]:
    """The names that a statement assigns, except those that it changes only in part."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    whole = [target for target in targets if isinstance(target, ast.Name | ast.Tuple)]
    return {name for target in whole for name in _names(target)}


def _excerpt(function: Excerpt, statements: list[ast.stmt]) -> Excerpt:
    """Only these statements, each without its indentation."""
    texts = {line.number: line.text for line in function.lines}
    lines: list[Line] = []
    for statement in statements:
        numbers = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        bare = textwrap.dedent("\n".join(texts[number] for number in numbers)).split("\n")
        lines += map(Line, numbers, bare)
    return Excerpt(function.path, statements[0], tuple(lines))
