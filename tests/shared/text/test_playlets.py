"""The generated plays have the probability that the generator states; their text is pinned by the
gate, in conformance/shared/test_shared_data.py."""

import functools
import math
import re

import numpy as np
import pytest

from shared.text.playlets import Slot, generate, read_grammar

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


def test_the_floor_is_the_validation_texts_probability():
    """No scene can be written in two ways."""
    playlets = generate()
    found = re.findall(r".+?\n\n", playlets.text[playlets.split :], flags=re.DOTALL)
    log_p, ways = zip(*map(derivations, found), strict=True)
    assert set(ways) == {1}
    assert -math.fsum(log_p) == pytest.approx(playlets.floor_nats, rel=1e-9)


def test_probabilities_sum_to_one_and_every_rule_is_of_use():
    used = {"scene"}
    for name, symbol in GRAMMAR.items():
        assert math.fsum(symbol.probabilities) == pytest.approx(1, abs=1e-12), name
        assert min(symbol.probabilities) > 0, name
        assert len(set(symbol.bodies)) == len(symbol.bodies), name
        used |= {part.name for body in symbol.bodies for part in body if isinstance(part, Slot)}
    assert used == set(GRAMMAR)
