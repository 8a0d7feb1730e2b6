"""The generated plays have the probability that the generator states; their text is pinned by the
gate, in conformance/shared/test_shared_data.py."""

import functools
import math
import re

import pytest

from shared.text.playlets import Slot, generate, read_grammar

GRAMMAR = read_grammar()


def derivations(text: str) -> list[float]:
    """The log probability of every way in which the grammar writes a text: from the top down, for a
    name and a place in it, every place where an expansion of the name can end."""

    @functools.cache
    def expand(name: str, start: int) -> list[tuple[int, float]]:
        symbol = GRAMMAR[name]
        return [
            (end, math.log(probability) + log_p)
            for probability, body in zip(symbol.probabilities, symbol.bodies, strict=True)
            for end, log_p in spell_out(body, start)
        ]

    def spell_out(body: tuple[str | Slot, ...], start: int) -> list[tuple[int, float]]:
        reached = [(start, 0.0)]
        for part in body:
            if isinstance(part, Slot):
                reached = [
                    (end, log_p + log_q)
                    for place, log_p in reached
                    for end, log_q in expand(part.name, place)
                ]
            else:
                reached = [(p + len(part), log) for p, log in reached if text.startswith(part, p)]
        return reached

    return [log_p for end, log_p in expand("scene", 0) if end == len(text)]


def test_the_floor_is_the_validation_texts_probability():
    """No scene can be written in two ways."""
    playlets = generate()
    found = re.findall(r".+?\n\n", playlets.text[playlets.split :], flags=re.DOTALL)
    ways = [derivations(scene) for scene in found]
    assert {len(each) for each in ways} == {1}
    assert -math.fsum(log_p for (log_p,) in ways) == pytest.approx(playlets.floor_nats, rel=1e-9)


def test_probabilities_sum_to_one_and_every_rule_is_of_use():
    used = {"scene"}
    for name, symbol in GRAMMAR.items():
        assert math.fsum(symbol.probabilities) == pytest.approx(1, abs=1e-12), name
        assert min(symbol.probabilities) > 0, name
        assert len(set(symbol.bodies)) == len(symbol.bodies), name
        used |= {part.name for body in symbol.bodies for part in body if isinstance(part, Slot)}
    assert used == set(GRAMMAR)
