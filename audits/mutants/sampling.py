"""All generic mutants of a backend's sources, and a sample of them.

A mutation is identified by its file, its function, the lines it replaces and the new lines. So are
the entries of equivalent.toml, which change nothing.
"""

import difflib
import random
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from parso.tree import NodeOrLeaf

from audits.mutants.mutant import HEALTHY
from audits.mutants.operators import OPERATORS
from audits.mutants.plant import MutantError, mutate

EQUIVALENT = Path(__file__).with_name("equivalent.toml")

SPARED = {"__init__.py", "train.py", "sample.py", "attention_steps.py", "bigram.py"}
"""Input validation, and lessons beside the model."""

Key = tuple[str, str, str, str]
"""File, function, old lines, new lines."""


@dataclass(frozen=True)
class Place:
    """One operator at one place."""

    file: str
    operator: str
    occurrence: int
    start: tuple[int, int]
    scope: str

    @property
    def site(self) -> tuple[str, str, tuple[int, int]]:
        """File, kind of operator, position: ReplaceBinaryOperator_Add_Sub and _Add_Mul are two ways
        to mutate one."""
        return self.file, self.operator.partition("_")[0], self.start


@dataclass(frozen=True)
class Change:
    """A mutation, applied."""

    place: Place
    old: str
    new: str
    source: str
    """The whole file before it."""
    mutated: str
    """The whole file after it."""

    @property
    def key(self) -> Key:
        return self.place.file, self.place.scope, self.old, self.new


def places(sources: dict[str, str]) -> Iterator[Place]:
    """Every place where an operator can make a meaningful change."""
    for file, source in sources.items():
        nodes = [(node, matters(node)) for node in ast_nodes(get_ast(source))]
        for name, operator in OPERATORS.items():
            occurrence = 0
            for node, counts in nodes:
                for start, _ in operator.mutation_positions(node):
                    if counts:
                        yield Place(file, name, occurrence, start, scope_of(node))
                    occurrence += 1


def matters(node: NodeOrLeaf | None) -> bool:
    """Whether it is more than an annotation, an import, an error's message or the list __all__."""
    while node is not None:
        parent = node.parent
        if node.type in ("import_name", "import_from", "tfpdef", "raise_stmt"):
            return False
        if node.type in ("simple_stmt", "expr_stmt") and node.get_first_leaf().value == "__all__":
            return False
        if parent is not None and node is getattr(parent, "annotation", None):
            return False  # of what a function returns
        if parent is not None and parent.type == "parameters" and node.type == "operator":
            return False  # a / for a * in a function's head: how it is called, not what it does
        if parent is not None and parent.type == "annassign" and node is parent.children[1]:
            return False
        node = parent
    return True


def scope_of(node: NodeOrLeaf) -> str:
    """Such as GPT.forward; "" outside all functions and classes."""
    names = []
    while (node := node.parent) is not None:
        if node.type in ("funcdef", "classdef"):
            names.append(node.name.value)
    return ".".join(reversed(names))


def change(sources: dict[str, str], place: Place) -> Change | None:
    """The mutation at a place; None if it changes nothing or is not valid Python."""
    source = sources[place.file]
    mutated = mutate_code(source, OPERATORS[place.operator], place.occurrence)
    try:
        compile(mutated, place.file, "exec")
    except SyntaxError:
        return None
    changed = list(difflib.unified_diff(source.splitlines(), mutated.splitlines(), n=0))[2:]
    old, new = (
        textwrap.dedent("\n".join(line[1:] for line in changed if line[0] == sign)).strip("\n")
        for sign in "-+"
    )
    return Change(place, old, new, source, mutated) if old != new else None


def sources_of(backend: str) -> dict[str, str]:
    return {name: text for name, text in mutate(HEALTHY, backend).items() if name not in SPARED}


def sample(sources: dict[str, str], count: int, seed: str, noted: set[Key]) -> list[Change]:
    """At most `count` mutations, each at a different site, except those noted as equivalent.
    The same for the same sources and seed.

    The kinds of operators take turns: most sites are statements, and most that are dropped leave a
    name without a value.
    """
    rng = random.Random(seed)
    kinds: dict[str, dict[object, list[Place]]] = {}
    for place in places(sources):
        kinds.setdefault(place.site[1], {}).setdefault(place.site, []).append(place)
    shuffled = [rng.sample(list(sites.values()), len(sites)) for sites in kinds.values()]
    drawn: list[Change] = []
    for ways in chain.from_iterable(zip_longest(*shuffled)):
        found = change(sources, rng.choice(ways)) if ways else None
        if found is not None and found.key not in noted:
            drawn.append(found)
        if len(drawn) == count:
            break
    return drawn


def equivalents(backend: str, sources: dict[str, str]) -> set[Key]:
    """The mutations of a backend that change nothing, from equivalent.toml.

    Raises:
        MutantError: the lines that one of them replaces are no longer there.
    """
    found = set()
    for entry in tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]:
        if backend not in entry["backends"]:
            continue
        file, old = entry["file"], entry["old"].strip("\n")
        there = [line.strip() for line in sources.get(file, "").splitlines()]
        if missing := [line for line in old.splitlines() if line.strip() not in there]:
            raise MutantError(
                f"equivalent.toml no longer fits impls/{backend}/{file}, which lacks {missing}"
            )
        found |= {(file, entry["scope"], old, new.strip("\n")) for new in entry["new"]}
    return found
