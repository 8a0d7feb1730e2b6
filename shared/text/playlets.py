"""About a megabyte of small scenes whose exact probability is known.

grammar.toml is a probabilistic context-free grammar: a scene is a chain of independent choices, and
since no scene can arise in two ways, the probability of its text is the product of theirs. In
expectation, no model can predict the text better than the grammar that wrote it. So the mean of -ln
p over the validation scenes is the floor of a validation loss.
"""

import functools
import itertools
import math
import re
import tomllib
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.randomness import PLAYLETS, generator

SEED = 19  # of 0 to 47, the one whose text can end soonest (see `generate`)
LENGTH = 1_000_000  # characters, at least
ZIPF_OFFSET = 10  # the word of rank r has weight 1 / (r + 10), r from 1 (Mandelbrot 1953)

GRAMMAR = Path(__file__).with_name("grammar.toml")
Weights = dict[str, int | float]
_SLOT = re.compile(r"\{(.*?)\}")


@dataclass(frozen=True)
class Playlets:
    text: str
    """ASCII."""
    split: int
    """Nine tenths of its length in characters; a scene begins there."""
    floor_nats: float
    """-ln of the probability of text[split:], in nats."""


@dataclass(frozen=True)
class Slot:
    """A placeholder for one of the alternatives of `name`."""

    name: str


@dataclass(frozen=True)
class Symbol:
    """The alternatives of one name: the probability of each, and the parts it consists of."""

    probabilities: tuple[float, ...]
    bodies: tuple[tuple[str | Slot, ...], ...]


@functools.cache
def generate(seed: int = SEED) -> Playlets:
    """Write the corpus: the same text on every machine, in less than a second.

    It stops at the first scene end past a million characters for which nine tenths of the length
    is also a scene end, so that the split falls between two scenes and the floor is exact. Where
    it stops depends on lengths alone, after the fact, and carries no probability of its own.
    """
    written: list[str] = []
    nats: list[float] = []
    ends = {0: 0}  # offset of a scene's end: how many scenes precede it
    length = 0
    for scene, cost in scenes(seed):
        written.append(scene)
        nats.append(cost)
        length += len(scene)
        ends[length] = len(written)
        if length > LENGTH and 9 * length // 10 in ends:
            break
    split = 9 * length // 10
    return Playlets("".join(written), split, math.fsum(nats[ends[split] :]))


def scenes(seed: int = SEED) -> Iterator[tuple[str, float]]:
    """An endless stream of independent scenes, each ending in an empty line, and -ln of their
    probabilities."""
    grammar = read_grammar()
    cumulative = {
        name: [*itertools.accumulate(symbol.probabilities[:-1]), 1.0]
        for name, symbol in grammar.items()
    }
    uniforms = _uniforms(seed)
    while True:
        text: list[str] = []
        probabilities: list[float] = []
        todo: list[str | Slot] = [Slot("scene")]  # a stack: the next part is last
        while todo:
            part = todo.pop()
            if isinstance(part, str):
                text.append(part)
                continue
            symbol = grammar[part.name]
            choice = bisect(cumulative[part.name], next(uniforms))
            probabilities.append(symbol.probabilities[choice])
            todo.extend(reversed(symbol.bodies[choice]))
        yield "".join(text), -math.fsum(map(math.log, probabilities))


def _uniforms(seed: int) -> Iterator[float]:
    for block in itertools.count():
        yield from generator(seed, PLAYLETS, block).random(1 << 14).tolist()


@functools.cache
def read_grammar() -> dict[str, Symbol]:
    """grammar.toml as one plain context-free grammar with the start symbol "scene"."""
    table = tomllib.loads(GRAMMAR.read_text(encoding="utf-8"))
    rules: dict[str, Weights] = {
        name: dict.fromkeys(weights.split(), 1) if isinstance(weights, str) else weights
        for name, weights in table["rules"].items()
    }
    rules |= _word_rules(table["words"]) | _scene_rules(table)
    for template in [template for weights in rules.values() for template in weights]:
        for name in _SLOT.findall(template):
            _add_capitalised(rules, name)
    return {name: _symbol(weights) for name, weights in rules.items()}


def _word_rules(by_kind: dict[str, str]) -> dict[str, Weights]:
    """noun.one, noun.many, transitive.one and so on; adjectives have only one form."""
    rules: dict[str, Weights] = {}
    for kind, words in by_kind.items():
        for rank, entry in enumerate(words.split(), start=1):
            word, _, other = entry.partition("/")
            other = other or f"{word}s"
            one, many = (word, other) if kind == "noun" else (other, word)
            forms = {f"{kind}.one": one, f"{kind}.many": many}
            if kind == "adjective":
                forms = {kind: word}
            for name, form in forms.items():
                rules.setdefault(name, {})[form] = 1 / (rank + ZIPF_OFFSET)
    return rules


def _scene_rules(table: dict[str, Any]) -> dict[str, Weights]:
    """The rules of the scenes, once for every member of the company."""
    rules: dict[str, Weights] = {"scene": {}}
    for a, b in [pair for couple in table["couples"] for pair in (couple, couple[::-1])]:
        roles = {"$A": a, "$B": b, "$HIS": table["pronouns"][a]}
        rules["scene"][_cast("{$A opens}", roles)] = 1
        for name, weights in table["scenes"].items():
            rules[_cast(name, roles)] = {_cast(t, roles): w for t, w in weights.items()}
    return rules


def _cast(template: str, roles: dict[str, str]) -> str:
    for role, name in roles.items():
        template = template.replace(role, name)
    return template


def _add_capitalised(rules: dict[str, Weights], name: str) -> None:
    """Add the rule of "^name", and those it needs: the alternatives of name, capitalised."""
    if not name.startswith("^") or name in rules:
        return
    rules[name] = {}
    for template, weight in rules[name[1:]].items():
        if first := _SLOT.match(template):
            capital = f"{{^{template[1:]}"
            _add_capitalised(rules, f"^{first[1]}")
        else:
            capital = template[:1].upper() + template[1:]
        rules[name][capital] = weight


def _symbol(weights: Weights) -> Symbol:
    total = math.fsum(weights.values())
    return Symbol(
        tuple(weight / total for weight in weights.values()),
        tuple(tuple(_parts(template)) for template in weights),
    )


def _parts(template: str) -> Iterator[str | Slot]:
    for index, part in enumerate(_SLOT.split(template)):
        if index % 2:
            yield Slot(part)
        elif part:
            yield part
