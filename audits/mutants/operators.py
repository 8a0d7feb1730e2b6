"""Mutation operators: those of cosmic-ray, and more of them, written against its interface.

The library replaces operators, comparisons, numbers (by one more and one less: so it also turns
axis=-1 into 0 and -2), booleans, conditions, loops, handlers and decorators. Ours drop a statement
or a keyword argument, or swap two arguments.
"""

import re
from typing import ClassVar

from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso.python.tree import Keyword
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


class Ours(Operator):
    """An operator that changes the children of a node."""

    shown: ClassVar[Example]

    def find(self, node: BaseNode) -> list[int]:
        """The indices of the children that it can change."""
        raise NotImplementedError

    def apply(self, node: BaseNode, i: int) -> None:
        """Change child `i`."""
        raise NotImplementedError

    def mutation_positions(self, node: NodeOrLeaf) -> list[Position]:
        found = self.find(node) if isinstance(node, BaseNode) else []
        return [(node.children[i].start_pos, node.children[i].end_pos) for i in found]

    def mutate(self, node: BaseNode, index: int) -> BaseNode:
        self.apply(node, self.find(node)[index])
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (cls.shown,)


class DropStatement(Ours):
    """Drop a statement."""

    shown = Example(
        '"""Doc."""\nimport a\nreturn a  # why\n', '"""Doc."""\nimport a\npass  # why\n'
    )

    def find(self, node: BaseNode) -> list[int]:
        statement = node.type == "simple_stmt" and node.children[0].type not in HOLLOW
        return [0] if statement and node.children[0].get_code(False) != "pass" else []

    def apply(self, node: BaseNode, i: int) -> None:
        old = node.children[i]
        node.children[i] = Keyword("pass", old.start_pos, old.get_first_leaf().prefix)


class SwapArguments(Ours):
    """Swap two neighbouring positional arguments of a call."""

    shown = Example('f(a, a, b + 1, "b", axis=0)', 'f(a, b + 1, a, "b", axis=0)')

    def find(self, node: BaseNode) -> list[int]:
        if node.type != "arglist" or node.parent.type != "trailer":
            return []
        function = node.get_previous_leaf().get_previous_leaf()
        if function.value in SYMMETRIC and len(node.children) == 3:
            return []
        return [
            i
            for i, (a, b) in enumerate(zip(node.children, node.children[2:], strict=False))
            if a != "," and not {a.type, b.type} & FIXED and a.get_code(False) != b.get_code(False)
        ]

    def apply(self, node: BaseNode, i: int) -> None:
        a, b = node.children[i], node.children[i + 2]
        first, second = a.get_first_leaf(), b.get_first_leaf()
        first.prefix, second.prefix = second.prefix, first.prefix
        node.children[i], node.children[i + 2] = b, a


class DropKeyword(Ours):
    """Drop a keyword argument."""

    shown = Example("f(a, device=cpu, axis=0)", "f(a, device=cpu)")

    def find(self, node: BaseNode) -> list[int]:
        several = node.type == "arglist" and node.parent.type == "trailer"
        return [
            i
            for i, child in enumerate(node.children if several or node.type == "trailer" else [])
            if child.type == "argument"
            and child.children[1] == "="
            and child.children[0].value not in PLACES
        ]

    def apply(self, node: BaseNode, i: int) -> None:
        if node.type == "arglist":  # a comma, too: the one after it, or before it if it is the last
            del node.children[i + 1 if i + 1 < len(node.children) else i - 1]
            i -= i == len(node.children)
        del node.children[i]


LIBRARY = OperatorProvider()
OPERATORS: dict[str, Operator] = {
    # Operators with arguments replace named variables by random numbers.
    **{
        f"core/{name}": LIBRARY[name]()
        for name in LIBRARY
        if not CRASHES.search(name) and not LIBRARY[name].arguments()
    },
    **{f"ours/{each.__name__}": each() for each in (DropStatement, SwapArguments, DropKeyword)},
}
"""By name; the library's names begin with core/."""
