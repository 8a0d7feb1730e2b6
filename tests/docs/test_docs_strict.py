"""Errors of the build: mistakes, failing commands; with --strict, missing figures."""

import re
from pathlib import Path

from docs.build import main
from docs.data import Product
from tests.docs.conftest import Site

FIGURE = "```{run-figure} losses\n```"
WALK = "python -m lessons.walk --untrained"
COMMAND = f"```{{try}} T\n:command: {WALK}\n:shows:\n```"

WRONG = Path(__file__).with_name("wrong.md").read_text(encoding="utf-8")
"""A page with mistakes, and above each a comment with what is to be said of it."""

MISSING = {
    FIGURE: "not measured: losses",
    "```{conformance} logits\n```": "not measured: run nox -s conformance",
    "```{mutant} swap_qk\n```": "was not measured: run nox -s mutants",
    "```{kill-matrix}\n```": "not measured: run nox -s mutants",
    COMMAND: f"not measured: {WALK}",
}


def test_what_is_wrong_fails_the_build_and_is_named(site: Site) -> None:
    site.build("All is well: $x^2$.")
    before = site.page()
    lines = site.wrong(WRONG).splitlines()[1:]
    for said in re.findall("^% (.+)$", WRONG, re.MULTILINE):
        (line,) = [line for line in lines if said in line]
        assert re.match(r".*index\.md:\d+: ERROR: ", line), line
    assert site.page() == before
    assert sorted(path.name for path in site.out.parent.iterdir()) == ["out", "source"]


def test_strict_fails_where_else_it_is_only_told(site: Site) -> None:
    page, failures = "\n\n".join([*MISSING, "[there](no.md)"]), ["losses could not be measured"]
    told = "\n".join(site.build(page, failures=failures))
    wrong = site.wrong(page, strict=True, failures=failures)
    for said in [*MISSING.values(), *failures, "'no.md'"]:
        assert said in told
        assert said in wrong
    notes = [note.text for note in site.page().select('p.missing[role="note"]')]
    assert all(any(said in note for note in notes) for said in MISSING.values())


def test_strict_fails_on_what_is_old(site: Site) -> None:
    site.figure = Product("a walk", "<svg><path/></svg>", "a line")
    assert site.build(f"{FIGURE}\n\n{COMMAND}", strict=True) == []
    assert site.page().select_one(".output pre").text == "a walk"
    assert site.page().select_one(".run-figure [role=img]")["aria-label"] == "a line"
    site.figure = Product("a walk", "<svg><path/></svg>", "a line", stale=True)
    wrong = site.wrong(f"{FIGURE}\n\n{COMMAND}", strict=True)
    assert "older than the sources: losses" in wrong
    assert f"older than the sources: {WALK}" in wrong


def test_a_command_that_fails_always_fails_the_build(site: Site) -> None:
    wrong = site.wrong(COMMAND.replace(WALK, f"{WALK} --device moon"), may_run=True)
    assert f"index.md:3: ERROR: the command fails: {WALK}" in wrong
    assert "device is 'moon'" in wrong


def test_only_a_site_is_ever_replaced(tmp_path, capsys) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    assert main(["--out", str(tmp_path)]) == 2
    assert "is not a site" in capsys.readouterr().err
    assert main(["--out", str(tmp_path / "thesis.txt")]) == 2
    assert (tmp_path / "thesis.txt").read_text() == "ten years of work"
