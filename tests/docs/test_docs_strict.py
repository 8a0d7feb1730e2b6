"""What the build minds: dead links and commands that fail; with --strict, all missing or old."""

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

# MyST uses what Sphinx will take away in two versions; both are pinned.
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
    """Builds a site of a page and a notebook, in a house where nothing was ever measured."""
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
    "no figure": (FIGURE, "not measured: losses"),
    "no report": (REPORT, "not measured: run nox -s conformance"),
    "no mutants": (MUTANT, "was not measured: run nox -s mutants"),
    "not run": (COMMAND, f"not run yet: {WALK}"),
}

DEAD = {
    "no page": ("[there](nowhere.md)", "nowhere.md"),
    "no such file": ('<a href="nowhere.html">x</a>', "dead link nowhere.html: there is no such p"),
    "no picture": ('<img src="nowhere.png" alt="x">', "dead link nowhere.png: there is no such p"),
    "no place": ("[there](#nowhere)", "nowhere"),
    "no place in HTML": ('<a href="#nowhere">x</a>', "dead link #nowhere: there is no nowhere on"),
    "no place elsewhere": (
        '<a href="road.html#b">x</a>',
        "dead link road.html#b: there is no b on",
    ),
    "no address": ("[there](https://arxiv)", "dead link https://arxiv: no address"),
    "not encrypted": ("[there](http://arxiv.org/abs/1)", "dead link http://arxiv.org/abs/1: no a"),
}


@pytest.mark.parametrize("what", MISSING)
def test_strict_fails_where_else_it_is_only_told(
    what: str, build_page: Callable[..., list[str]]
) -> None:
    page, said = MISSING[what]
    assert said in "\n".join(build_page(page, strict=False))
    with pytest.raises(UserError) as caught:
        build_page(page, strict=True)
    assert said in str(caught.value)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("what", DEAD)
def test_a_dead_link_always_fails_the_build(
    what: str, strict: bool, build_page: Callable[..., list[str]]
) -> None:
    page, said = DEAD[what]
    with pytest.raises(UserError) as caught:
        build_page(page, strict=strict)
    assert said in str(caught.value)


def test_strict_is_content_with_what_is_right(build_page: Callable[..., list[str]]) -> None:
    page = (
        "## Here\n\n[a](#here), [b](road.ipynb), [c](https://arxiv.org/abs/1706.03762), "
        '<a href="road.html#a">d</a>, <a href="mailto:nobody@example.org">e</a>'
    )
    with pytest.raises(UserError, match="mailto"):
        build_page(page, strict=True)
    assert build_page(page.partition(', <a href="mailto')[0], strict=True) == []


def test_strict_fails_on_an_old_figure(
    build_page: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    product = Product(losses.PRODUCER, {}, "<svg><path/></svg>", "a line", stale=False)
    monkeypatch.setattr(figures, "read", lambda producer: product)
    assert build_page(FIGURE, strict=True) == []
    product = replace(product, stale=True)
    with pytest.raises(UserError, match="older than the sources: losses"):
        build_page(FIGURE, strict=True)


def test_strict_fails_on_what_an_older_code_printed(
    build_page: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Printed(WALK, "of other sources", "a walk")
    monkeypatch.setattr(runs, "_read", lambda path: before)
    with pytest.raises(UserError, match=f"is older than the sources: {WALK}"):
        build_page(COMMAND, strict=True)


@pytest.mark.parametrize("strict", [True, False])
def test_a_command_that_fails_always_fails_the_build(
    strict: bool, build_page: Callable[..., list[str]]
) -> None:
    page = COMMAND.replace(WALK, f"{WALK} --layer 99")
    with pytest.raises(UserError) as caught:
        build_page(page, strict=strict, may_run=True)
    assert "the command fails (status 2)" in str(caught.value)
    assert "there is no layer 99" in str(caught.value)
    assert "index.md:3: ERROR" in str(caught.value)
