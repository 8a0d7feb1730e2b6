"""Mutation operators: those of cosmic-ray, and more of them, written against its interface.

The library replaces operators, comparisons, numbers (by one more and one less: so it also turns
axis=-1 into 0 and -2), booleans, conditions, loops, handlers and decorators. Ours drop a statement
or a keyword argument, swap two arguments, change a precision, and move a bound by one.
"""

import re
from typing import ClassVar

from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso import parse
from parso.python.tree import Keyword, Name
from parso.tree import BaseNode, NodeOrLeaf

Position = tuple[tuple[int, int], tuple[int, int]]

CRASHES = re.compile(
    r"_(RShift|LShift|BitOr|BitAnd|BitXor|Invert)$"  # floats have no bits
    r"|^ReplaceComparisonOperator_(?!Is)\w+_Is(Not)?$"  # `is` for `==`: whether equal strings are
)  # one object is Python's affair
"""The library's operators that are not used: their mutants raise at once or change nothing."""

HOLLOW = {"string", "strings", "import_name", "import_from"}
"""Statements without effect at run time: docstrings, and imports of names that are used."""

FIXED = {"argument", "string", "strings", "fstring"}
"""Arguments that are not swapped: those with a keyword or a star; and strings, because a tap's
name in place of its value raises at once."""

SYMMETRIC = {"swapaxes", "transpose"}
"""Functions of two arguments whose order does not matter."""

PLACES = {"device"}
"""Keywords that are not dropped: the suite runs on CPUs, which are the default."""

DTYPES = {"float64": "float32", "float32": "float64", "int64": "int32", "int32": "int64"}
DTYPES |= {"double": "float"}
WORDS = {"name", "string"}
"""The names of precisions in the sources."""

RANGES = {"range", "arange"}


class Ours(Operator):
    """An operator that changes the children of a node."""

    shown: ClassVar[tuple[Example, ...]]

    def find(self, node: BaseNode) -> list[int]:
        """The indices of the children that it can change, repeated for every way to change them."""
        raise NotImplementedError

    def apply(self, node: BaseNode, i: int, index: int) -> None:
        """Change child `i`, which is the one that `find` gives at `index`."""
        raise NotImplementedError

    def mutation_positions(self, node: NodeOrLeaf) -> list[Position]:
        found = self.find(node) if isinstance(node, BaseNode) else []
        return [(node.children[i].start_pos, node.children[i].end_pos) for i in found]

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        self.apply(node, self.find(node)[index], index)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return cls.shown


class DropStatement(Ours):
    """Drop a statement."""

    shown = (
        Example("x = 1\ny = 2\n", "pass\ny = 2\n"),
        Example("if x:\n    x.f()  # why\n", "if x:\n    pass  # why\n"),
        Example('"""Doc."""\nimport a\nreturn a\n', '"""Doc."""\nimport a\npass\n'),
    )

    def find(self, node: BaseNode) -> list[int]:
        statement = node.type == "simple_stmt" and node.children[0].type not in HOLLOW
        return [0] if statement and node.children[0].get_code(False) != "pass" else []

    def apply(self, node: BaseNode, i: int, index: int) -> None:
        old = node.children[i]
        node.children[i] = Keyword("pass", old.start_pos, old.get_first_leaf().prefix)


class SwapArguments(Ours):
    """Swap two neighbouring positional arguments of a call."""

    shown = (
        Example("f(a, b + 1, axis=0)", "f(b + 1, a, axis=0)"),
        Example("f(x, a, b)", "f(x, b, a)", occurrence=1),
        Example('f(a, a, "b", *c)', 'f(a, a, "b", *c)'),
        Example("x.swapaxes(1, 2)", "x.swapaxes(1, 2)"),
    )

    def find(self, node: BaseNode) -> list[int]:
        call = node.type == "arglist" and node.parent.type == "trailer"
        if not call or (called(node) in SYMMETRIC and len(node.children) == 3):
            return []
        return [
            i
            for i, (a, b) in enumerate(zip(node.children, node.children[2:], strict=False))
            if a != "," and not {a.type, b.type} & FIXED and a.get_code(False) != b.get_code(False)
        ]

    def apply(self, node: BaseNode, i: int, index: int) -> None:
        a, b = node.children[i], node.children[i + 2]
        first, second = a.get_first_leaf(), b.get_first_leaf()
        first.prefix, second.prefix = second.prefix, first.prefix
        node.children[i], node.children[i + 2] = b, a


class DropKeyword(Ours):
    """Drop a keyword argument."""

    shown = (
        Example("f(a, axis=0, keepdims=b)", "f(a, keepdims=b)"),
        Example("f(a, axis=0, keepdims=b)", "f(a, axis=0)", occurrence=1),
        Example("f(axis=0)(*a, **b)", "f()(*a, **b)"),
        Example("f(*a, device=cpu, **b)", "f(*a, device=cpu, **b)"),
    )

    def find(self, node: BaseNode) -> list[int]:
        several = node.type == "arglist" and node.parent.type == "trailer"
        return [
            i
            for i, child in enumerate(node.children if several or node.type == "trailer" else [])
            if child.type == "argument"
            and child.children[1] == "="
            and child.children[0].value not in PLACES
        ]

    def apply(self, node: BaseNode, i: int, index: int) -> None:
        if node.type == "arglist":  # a comma, too: the one after it, or before it if it is the last
            del node.children[i + 1 if i + 1 < len(node.children) else i - 1]
            i -= i == len(node.children)
        del node.children[i]


class ReplaceDtype(Ours):
    """Replace a precision by another."""

    shown = (
        Example("x.astype(np.float64)", "x.astype(np.float32)"),
        Example('f(x, dtype="float32")', 'f(x, dtype="float64")'),
        Example("x.double()", "x.float()"),
    )

    def find(self, node: BaseNode) -> list[int]:
        words = [(i, word) for i, word in enumerate(node.children) if word.type in WORDS]
        return [i for i, word in words if word.value.strip("\"'") in DTYPES]

    def apply(self, node: BaseNode, i: int, index: int) -> None:
        leaf = node.children[i]
        old = leaf.value.strip("\"'")
        new = leaf.value.replace(old, DTYPES[old])
        node.children[i] = Name(new, leaf.start_pos, leaf.prefix)


class MoveBound(Ours):
    """Move a bound of a slice or a range by one; numbers are left to the library."""

    shown = (
        Example("x[:, start : start + T]", "x[:, start + 1 : start + T]"),
        Example("x[-size:]", "x[-size - 1:]", occurrence=1),
        Example("x[:3], range(len(x), 2)", "x[:3], range(len(x) + 1, 2)"),
        Example("np.arange(T)", "np.arange(T - 1)", occurrence=1),
    )
    bounds: ClassVar[set[str]] = {"operator", "number", "sliceop", "argument", "arglist"}

    def find(self, node: BaseNode) -> list[int]:
        several, alone = node.type == "arglist", node.type == "trailer" and len(node.children) == 3
        in_range = (several or alone) and called(node.children[1 if alone else 0]) in RANGES
        if not in_range and not (node.type == "subscript" and ":" in node.children):
            return []
        found = [i for i, child in enumerate(node.children) if child.type not in self.bounds]
        return [i for i in found for _ in "+-"]

    def apply(self, node: BaseNode, i: int, index: int) -> None:
        node.children[i] = parse(f"{node.children[i].get_code()} {'+-'[index % 2]} 1")


def called(arguments: NodeOrLeaf) -> str:
    """The name of the function called with these arguments."""
    bracket = arguments.get_previous_leaf()
    leaf = bracket.get_previous_leaf() if bracket == "(" else None
    return leaf.value if leaf is not None else ""


OURS = (DropStatement, SwapArguments, DropKeyword, ReplaceDtype, MoveBound)
LIBRARY = OperatorProvider()

OPERATORS: dict[str, Operator] = {
    # Operators with arguments replace named variables by random numbers.
    **{
        f"core/{name}": LIBRARY[name]()
        for name in LIBRARY
        if not CRASHES.search(name) and not LIBRARY[name].arguments()
    },
    **{f"ours/{operator.__name__}": operator() for operator in OURS},
}
"""By name; the library's names begin with core/."""
