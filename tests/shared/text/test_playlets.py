"""The generated plays have the probability that the generator states; their text is pinned by the
gate, in conformance/shared/test_shared_data.py."""

import functools
import itertools
import math
import re
import statistics

import numpy as np
import pytest

from shared.text.playlets import Scene, Slot, Symbol, generate, read_grammar, scenes

GRAMMAR = read_grammar()


class Ends(dict[int, tuple[float, int]]):
    """Places in a text, each with the log probability and the number of ways to come there."""

    def add(self, place: int, log_p: float, ways: int) -> None:
        before, others = self.get(place, (-math.inf, 0))
        self[place] = (float(np.logaddexp(before, log_p)), others + ways)


def derivations(text: str) -> tuple[float, int]:
    """The log probability with which the grammar writes a text, and in how many ways.

    The inside algorithm, from the top down: for a name and a place in the text, every place where
    an expansion of the name can end. It sums over all derivations, and does not know the one that
    wrote the text.
    """

    @functools.cache
    def inside(name: str, start: int) -> Ends:
        ends = Ends()
        symbol = GRAMMAR[name]
        for probability, body in zip(symbol.probabilities, symbol.bodies, strict=True):
            for end, (log_p, ways) in spell_out(body, start).items():
                ends.add(end, math.log(probability) + log_p, ways)
        return ends

    def spell_out(body: tuple[str | Slot, ...], start: int) -> Ends:
        reached = Ends({start: (0.0, 1)})
        for part in body:
            further = Ends()
            for place, (log_p, ways) in reached.items():
                if isinstance(part, Slot):
                    for end, (log_q, more) in inside(part.name, place).items():
                        further.add(end, log_p + log_q, ways * more)
                elif text.startswith(part, place):
                    further.add(place + len(part), log_p, ways)
            reached = further
        return reached

    return inside("scene", 0).get(len(text), (-math.inf, 0))


def first_scenes(count: int) -> list[Scene]:
    return list(itertools.islice(scenes(), count))


def scene_texts(text: str) -> list[str]:
    return re.findall(r".+?\n\n", text, flags=re.DOTALL)


def test_every_scene_has_one_derivation_and_the_stated_probability():
    for scene in first_scenes(100):
        log_p, ways = derivations(scene.text)
        assert ways == 1, scene.text
        assert -log_p == pytest.approx(scene.nats, rel=1e-9)


def test_the_floor_is_the_validation_texts_probability():
    playlets = generate()
    log_p = [derivations(text)[0] for text in scene_texts(playlets.text[playlets.split :])]
    assert -math.fsum(log_p) == pytest.approx(playlets.floor_nats, rel=1e-9)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("Enter ", "Exit "), ("\n\n", "\n"), ("Scene: ", "Scene: the "), (": ", ":  ")],
)
def test_what_the_grammar_does_not_write_has_no_derivation(was, becomes):
    for scene in first_scenes(10):
        assert derivations(scene.text.replace(was, becomes, 1)) == (-math.inf, 0)


def test_the_parser_counts_every_derivation(monkeypatch):
    """The proof of unambiguity only counts if it would find an ambiguity."""
    before = first_scenes(3)
    onset = GRAMMAR["onset"]
    twice = Symbol(tuple(p / 2 for p in onset.probabilities) * 2, onset.bodies * 2)
    monkeypatch.setitem(GRAMMAR, "onset", twice)
    for scene in before:
        log_p, ways = derivations(scene.text)
        assert ways > 1
        assert -log_p == pytest.approx(scene.nats, rel=1e-9)


def test_scenes_are_drawn_with_the_probabilities_of_the_grammar():
    """Their mean -ln p is the grammar's entropy, which is computed without drawing."""
    nats = [scene.nats for scene in first_scenes(2000)]
    standard_error = statistics.stdev(nats) / math.sqrt(len(nats))
    assert abs(statistics.mean(nats) - entropy("scene")) < 4 * standard_error


def entropy(start: str) -> float:
    """Expected -ln p of a name's expansions: the solution of one linear equation per name."""
    names = list(GRAMMAR)
    slots = np.zeros((len(names), len(names)))  # expected number of slots of each name
    own = np.zeros(len(names))
    for row, symbol in enumerate(GRAMMAR.values()):
        own[row] = -sum(p * math.log(p) for p in symbol.probabilities)
        for p, body in zip(symbol.probabilities, symbol.bodies, strict=True):
            for part in body:
                if isinstance(part, Slot):
                    slots[row, names.index(part.name)] += p
    return float(np.linalg.solve(np.eye(len(names)) - slots, own)[names.index(start)])


def test_probabilities_sum_to_one_and_every_rule_is_of_use():
    used = {"scene"}
    for name, symbol in GRAMMAR.items():
        assert math.fsum(symbol.probabilities) == pytest.approx(1, abs=1e-12), name
        assert min(symbol.probabilities) > 0, name
        assert len(set(symbol.bodies)) == len(symbol.bodies), name
        used |= {part.name for body in symbol.bodies for part in body if isinstance(part, Slot)}
    assert used == set(GRAMMAR)
