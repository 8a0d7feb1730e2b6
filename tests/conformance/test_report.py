"""The suite on a user's backend, and its report, as a new user sees them."""

import json
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from conformance import gate
from conformance.limits import ORDER
from conformance.reporting.report import finite, render_page
from tests.command_line import ROOT, run_python
from tests.guests import write_guests

PART = [
    *(f"conformance/model/test_{name}.py" for name in ("forward", "loss", "gradients", "bigram")),
    *("conformance/decoding/test_decoding.py", "-k", "float64 and gpt2 and not finite"),
]


@dataclass
class Run:
    status: int
    out: str
    report: dict[str, Any]
    page: str

    def failure(self, test: str) -> dict[str, Any]:
        """The failure of a test function in the case gpt2."""
        return next(f for f in self.report["failures"] if f"::{test}[gpt2-" in f["test"])

    def check(self, name: str) -> dict[str, Any]:
        return next(check for check in self.report["checks"] if check["check"] == name)


class Suite:
    """A part of the suite, run in a separate process on guests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runs: dict[tuple[str, ...], Run] = {}

    def judge(self, *names: str) -> Run:
        """NumPy and these guests, once."""
        if names not in self.runs:
            guests = [word for name in names for word in ("--backend", f"guest.{name}")]
            self.runs[names] = self.run(*PART, "--backend", "numpy", *guests)
        return self.runs[names]

    def run(self, *arguments: str) -> Run:
        reports = self.directory / "build"
        options = ["--report", reports, "-o", f"pythonpath=. {self.directory}"]
        suite = ["-m", "pytest", "-p", "no:cacheprovider", *arguments]
        done = run_python(*suite, *options, timeout=300)
        report = json.loads((reports / "conformance.json").read_text(encoding="utf-8"))
        page = (reports / "conformance.html").read_text(encoding="utf-8")
        return Run(done.returncode, done.stdout + done.stderr, report, page)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    directory = tmp_path_factory.mktemp("guests")
    write_guests(directory)
    return Suite(directory)


# Findings. With a healthy guest, so that one of three can be the outlier.


def test_a_bug_is_blamed_and_located(suite: Suite) -> None:
    run = suite.judge("healthy", "scaled_twice")
    assert (run.status, run.report["verdict"]) == (1, "failed")
    for test in ("test_taps", "test_logits", "test_loss", "test_gradients"):
        failure = run.failure(test)
        assert failure["blamed"] == ["guest.scaled_twice"]
        assert failure["begins"] == "h.1.attn.q"
        assert "the difference begins at tap h.1.attn.q" in failure["message"]
        assert "all before it agree, up to h.1.ln_1" in failure["message"]
        assert failure["message"] in run.out
    assert "conformance/judge.py" not in run.out, "the insides of helpers are not shown"
    lines = run.failure("test_taps")["message"].splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 100
    taps = run.check("taps")
    assert taps["failed"] == ["guest.scaled_twice"]
    assert taps["errors"]["guest.scaled_twice"] > 1e-3
    assert taps["errors"]["numpy"] < 1e-10


def test_the_command_repeats_just_that(suite: Suite) -> None:
    failure = suite.judge("healthy", "scaled_twice").failure("test_logits")
    nox, option, session, dashes, *arguments = shlex.split(failure["repeat"])
    assert [nox, option, session, dashes] == ["nox", "-s", "conformance", "--"]
    again = suite.run(*arguments)
    assert again.report["tests"] == {"passed": 0, "failed": 1, "skipped": 0}
    assert [f["test"] for f in again.report["failures"]] == [failure["test"]]


def test_a_fault_of_the_fast_path_is_not_sought_in_the_taps(suite: Suite) -> None:
    run = suite.judge("healthy", "fast_path_only")
    assert run.check("taps")["verdict"] == "passed"
    failure = run.failure("test_logits")
    assert failure["blamed"] == ["guest.fast_path_only"]
    assert "all taps agree: the fault lies after them, in the fast path" in failure["message"]


# Missing capabilities


def test_what_is_not_offered_has_not_passed(suite: Suite) -> None:
    """The guest lacks `generate` and a bigram: only NumPy is left, and nothing to compare with."""
    run = suite.judge("healthy")
    assert run.status == 0
    assert run.report["backends"]["guest.healthy"]["not_offered"] == ["generate", "decode"]
    for name in ("cached decoding", "same text", "bigram"):
        assert run.check(name)["not_offered"] == ["guest.healthy"]
        assert "guest.healthy" not in run.check(name)["errors"]
    assert run.check("same text")["verdict"] == "not offered"
    assert run.report["tests"]["skipped"] > 0
    assert "not offered" in run.out
    assert "<strong>guest.healthy</strong> does not offer: generate, decode" in run.page


def test_a_backend_is_held_to_what_it_claims_and_to_no_more(suite: Suite) -> None:
    modest = suite.judge("modest")
    assert modest.status == 0
    missing = ["trace", "grads", "trainer", "generate", "decode"]
    assert modest.report["backends"]["guest.modest"]["not_offered"] == missing
    assert modest.check("logits")["verdict"] == "passed"
    assert modest.check("gradients")["verdict"] == "not offered"
    boastful = suite.judge("boastful")
    assert boastful.status == 1
    assert boastful.failure("test_text")["blamed"] == ["guest.boastful"]
    assert boastful.check("same text")["verdict"] == "failed"


@pytest.mark.parametrize(
    ("guest", "message"),
    [
        ("without_framework", "needs the package 'no_such_framework', which is not installed"),
        ("mistaken", "capabilities is ('gradients',)"),
        ("absent", "there is no backend 'guest.absent'"),
    ],
)
def test_one_that_cannot_be_judged_is_a_failure(suite: Suite, guest: str, message: str) -> None:
    run = suite.judge(guest)
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert message in run.out
    assert "Traceback" not in run.out
    assert run.report["verdict"] == "failed"
    assert message in run.report["failures"][0]["message"]


def test_a_copy_of_ours_passes_every_check(suite: Suite) -> None:
    """As after `cp -r impls/numpy my_gpt`, with the original: whatever has a row in the table."""
    shutil.copytree(ROOT / "impls" / "numpy", suite.directory / "my_gpt")
    part = ["-k", "not float32 and not test_shared"]
    run = suite.run("conformance", *part, "--backend", "numpy", "--backend", "my_gpt")
    assert run.status == 0, run.out
    assert {row["check"] for row in run.report["checks"]} == set(ORDER)
    assert all("my_gpt" in row["errors"] for row in run.report["checks"])
    assert run.report["tests"]["skipped"] == 0


# The report


def test_the_report_says_with_what_it_was_made(suite: Suite) -> None:
    run = suite.judge("healthy")
    report = run.report
    assert report["verdict"] == "passed"
    assert report["collected"] > sum(report["tests"].values()) > 0, "-k has deselected some"
    assert report["fingerprint"] == gate.fingerprint(), "of the sources that it speaks of"
    assert report["packages"]["numpy"]
    logits = run.check("logits")
    assert 0 < logits["noise"] < logits["limit"]
    assert set(logits["errors_by_case"]) == {"gpt2"}


@pytest.mark.parametrize("guests", [("healthy",), ("healthy", "scaled_twice"), ("absent",)])
def test_the_page_stands_alone_and_can_be_read(suite: Suite, guests: tuple[str, ...]) -> None:
    page = BeautifulSoup(suite.judge(*guests).page, "html.parser")
    assert not page.find_all(["script", "link", "img", "iframe"])
    assert not page.select("[src], [href]")
    assert page.html["lang"] == "en"
    assert all(head.has_attr("scope") for head in page.find_all("th"))
    assert len(page.find_all("table")) == len(page.find_all("caption")) > 0
    assert len(page.find_all("h1")) == 1


def test_what_backends_say_is_not_taken_for_markup(suite: Suite) -> None:
    report = suite.judge("healthy", "scaled_twice").report
    report = report | {"failures": [report["failures"][0] | {"message": "<script>1</script>"}]}
    assert "<script>" not in render_page(report)


def test_json_has_no_infinity() -> None:
    report = {"errors": [{"a": float("inf"), "b": float("nan"), "c": 1.0}]}
    assert finite(report) == {"errors": [{"a": "inf", "b": "inf", "c": 1.0}]}


def test_the_picture_in_the_readme_shows_as_many_tests_as_there_are() -> None:
    """`nox -s conformance -- --table-svg docs/conformance.svg` draws it again."""
    done = run_python("-m", "pytest", "conformance", "--collect-only", "-q", timeout=120)
    tests = sum("::" in line for line in done.stdout.splitlines())
    assert tests > 1000, done.stdout[-300:]
    picture = (ROOT / "docs" / "conformance.svg").read_text(encoding="utf-8")
    assert f"tests:&#160;{tests}&#160;passed" in picture
