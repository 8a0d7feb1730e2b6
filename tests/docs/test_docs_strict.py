"""Errors of the build: mistakes, dead links, failing commands; with --strict, missing figures."""

import re
from dataclasses import replace

import pytest

from docs import runs
from docs.data import Product
from docs.producers import losses
from docs.runs import Printed
from tests.docs.conftest import Site

FIGURE = "```{run-figure} losses\n```"
WALK = "python -m lessons.walk --untrained"
COMMAND = f"```{{try}} T\n:command: {WALK}\n:shows: yes\n```"

WRONG = {
    "```{three} GPT.sideways\n```": "there is no GPT.sideways in impls/numpy/model.py",
    "```{three} softmax\n:numpy-file: nn.py\n:torch: nothing\n:jax: nothing\n```": "say in the",
    "```{excerpt} shared/schedule.py tomorrow\n```": "there is no tomorrow in shared/schedule.py",
    "```{mutant} swap_qkv\n```": "there is no mutant 'swap_qkv'",
    "```{conformance} logits, vibes\n```": "there is no check 'vibes'",
    "```{run-figure} horoscope\n```": "there is no producer 'horoscope'",
    "```{try} T\n:command: nox -s tango\n```": "there is no nox session 'tango'",
    "```{question}\nWhy?\n```": "put a line of --- before the answer",
    "```{did-for-you}\n- NumPy: nothing\n```": "a list of three",
    "$\\nosuchcommand{x}$": "nosuchcommand",
}

DEAD = {
    "[there](nowhere.md)": "nowhere.md",
    '<a href="nowhere.html">x</a>': "dead link nowhere.html: there is no such p",
    '<img src="nowhere.png" alt="x">': "dead link nowhere.png: there is no such p",
    "[there](#nobody)": "nobody",
    '<a href="#nowhere">x</a>': "dead link #nowhere: there is no nowhere on",
    '<a href="road.html#b">x</a>': "dead link road.html#b: there is no b on",
    "[there](https://arxiv)": "dead link https://arxiv: no address",
    "[there](http://arxiv.org/abs/1)": "dead link http://arxiv.org/abs/1: no a",
    '<a href="mailto:nobody@example.org">e</a>': "mailto",
}

MISSING = {
    FIGURE: "not measured: losses",
    "```{conformance} logits\n```": "not measured: run nox -s conformance",
    "```{mutant} swap_qk\n```": "was not measured: run nox -s mutants",
    "```{kill-matrix}\n```": "not measured: run nox -s mutants",
    COMMAND: f"not run yet: {WALK}",
}


def test_what_is_wrong_fails_the_build_and_is_named(site: Site) -> None:
    site.build("All is well: $x^2$.")
    before = site.page()
    lines = site.wrong("\n\n".join([*WRONG, *DEAD])).splitlines()[1:]
    for said in WRONG.values():
        (line,) = [line for line in lines if said in line]
        assert re.match(r".*index\.md:\d+: ERROR: ", line), line
    for said in DEAD.values():
        assert any(said in line for line in lines), said
    assert site.page() == before
    assert sorted(path.name for path in site.out.parent.iterdir()) == ["out", "source"]


def test_strict_fails_where_else_it_is_only_told(site: Site) -> None:
    page, failures = "\n\n".join(MISSING), ["losses could not be measured"]
    told = "\n".join(site.build(page, failures=failures))
    wrong = site.wrong(page, strict=True, failures=failures)
    for said in [*MISSING.values(), *failures]:
        assert said in told
        assert said in wrong
    notes = [note.text for note in site.page().select('p.missing[role="note"]')]
    assert all(any(said in note for note in notes) for said in MISSING.values())


def test_strict_is_content_with_what_is_right(site: Site) -> None:
    links = '[a](#here), [b](road.ipynb), [c](https://arxiv.org/abs/1), <a href="road.html#a">d</a>'
    assert site.build(f"## Here\n\n{links}", strict=True) == []


def test_strict_fails_on_what_is_old(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.figure = Product(losses.PRODUCER, {}, "<svg><path/></svg>", "a line", stale=False)
    assert site.build(FIGURE, strict=True) == []
    site.figure = replace(site.figure, stale=True)
    monkeypatch.setattr(runs, "_read", lambda path: Printed(WALK, "of other sources", "a walk"))
    wrong = site.wrong(f"{FIGURE}\n\n{COMMAND}", strict=True)
    assert "older than the sources: losses" in wrong
    assert f"is older than the sources: {WALK}" in wrong


def test_a_command_that_fails_always_fails_the_build(site: Site) -> None:
    wrong = site.wrong(COMMAND.replace(WALK, f"{WALK} --layer 99"), may_run=True)
    assert "the command fails (status 2)" in wrong
    assert "there is no layer 99" in wrong
    assert "index.md:3: ERROR" in wrong
