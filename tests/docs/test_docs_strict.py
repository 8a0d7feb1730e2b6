"""Errors of the build: dead links and failing commands; with --strict, missing or old figures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audits.mutants import report as verdicts
from conformance import gate
from docs import runs
from docs.build import build_site
from docs.data import Product
from docs.extensions import figures, notebook
from docs.extensions.proofs import proof
from docs.producers import losses
from docs.runs import Printed
from shared.errors import UserError

# MyST uses functions that Sphinx will remove in two versions; both are pinned.
pytestmark = pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx")

FIGURE = "```{run-figure} losses\n```"
REPORT = "```{conformance} logits\n```"
MUTANT = "```{mutant} swap_qk\n```"
WALK = "python -m lessons.walk --untrained"
COMMAND = f"```{{try}} T\n:command: {WALK}\n:shows: yes\n```"
NOTEBOOK = """{"cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# A"}],
"metadata": {}, "nbformat": 4, "nbformat_minor": 5}"""


@pytest.fixture
def build_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Builds a site of a page and a notebook, without any measurements."""
    monkeypatch.setattr(figures, "read", lambda producer: None)
    monkeypatch.setattr(proof, "REPORT", tmp_path / "conformance.json")
    monkeypatch.setattr(verdicts, "REPORT", tmp_path / "mutants.json")
    monkeypatch.setattr(gate, "when_passed", lambda fingerprint: None)
    monkeypatch.setattr(runs, "DIRECTORY", tmp_path / "printed")
    done = Product(notebook.road.PRODUCER, {"cells": [{"source": "# A"}]}, None, "", stale=False)
    monkeypatch.setattr(notebook, "read", lambda producer: done)

    def build(page: str, *, strict: bool, may_run: bool = False) -> list[str]:
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        text = f"# Page\n\n{page}\n\n```{{toctree}}\nroad\n```\n"
        (source / "index.md").write_text(text, encoding="utf-8")
        (source / "road.ipynb").write_text(NOTEBOOK, encoding="utf-8")
        return build_site(source, tmp_path / "out", strict=strict, may_run=may_run)

    return build


MISSING = {
    FIGURE: "not measured: losses",
    REPORT: "not measured: run nox -s conformance",
    MUTANT: "was not measured: run nox -s mutants",
    COMMAND: f"not run yet: {WALK}",
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


def test_strict_fails_where_else_it_is_only_told(build_page: Callable[..., list[str]]) -> None:
    page = "\n\n".join(MISSING)
    told = "\n".join(build_page(page, strict=False))
    with pytest.raises(UserError) as caught:
        build_page(page, strict=True)
    for said in MISSING.values():
        assert said in told
        assert said in str(caught.value)


def test_every_dead_link_fails_the_build(build_page: Callable[..., list[str]]) -> None:
    with pytest.raises(UserError) as caught:
        build_page("\n\n".join(DEAD), strict=False)
    for said in DEAD.values():
        assert said in str(caught.value)


def test_strict_is_content_with_what_is_right(build_page: Callable[..., list[str]]) -> None:
    links = '[a](#here), [b](road.ipynb), [c](https://arxiv.org/abs/1), <a href="road.html#a">d</a>'
    assert build_page(f"## Here\n\n{links}", strict=True) == []


def test_strict_fails_on_what_is_old(
    build_page: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    product = Product(losses.PRODUCER, {}, "<svg><path/></svg>", "a line", stale=False)
    monkeypatch.setattr(figures, "read", lambda producer: product)
    assert build_page(FIGURE, strict=True) == []
    product = replace(product, stale=True)
    monkeypatch.setattr(runs, "_read", lambda path: Printed(WALK, "of other sources", "a walk"))
    with pytest.raises(UserError) as caught:
        build_page(f"{FIGURE}\n\n{COMMAND}", strict=True)
    assert "older than the sources: losses" in str(caught.value)
    assert f"is older than the sources: {WALK}" in str(caught.value)


def test_a_command_that_fails_always_fails_the_build(build_page: Callable[..., list[str]]) -> None:
    page = COMMAND.replace(WALK, f"{WALK} --layer 99")
    with pytest.raises(UserError) as caught:
        build_page(page, strict=False, may_run=True)
    assert "the command fails (status 2)" in str(caught.value)
    assert "there is no layer 99" in str(caught.value)
    assert "index.md:3: ERROR" in str(caught.value)
