"""A backend that shares no framework and no code with the three passes the whole suite."""

import json
import subprocess
import sys
from pathlib import Path

from conformance.limits import ORDER
from shared.sources import ROOT

NAME = "tests.autograd_backend"
EXTRAS = ("bigram", "attention steps")
"""The models of the lesson that it lacks."""


def test_it_passes_and_offers_all_that_a_gpt_needs(tmp_path: Path) -> None:
    """With NumPy, in a separate process. Only the extras are skipped."""
    command = [sys.executable, "-m", "pytest", "-q", "conformance", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--backend", "numpy", "--backend", NAME, "--report", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    out = done.stdout + done.stderr
    assert done.returncode == 0, out
    report = json.loads((tmp_path / "conformance.json").read_text(encoding="utf-8"))
    assert report["verdict"] == "passed"
    assert report["backends"][NAME]["not_offered"] == []
    for row in report["checks"]:
        extra = row["check"] in EXTRAS
        assert (NAME in row["not_offered"]) == extra, row["check"]
        assert (NAME in row["errors"]) != extra, row["check"]
    assert {row["check"] for row in report["checks"]} == set(ORDER)
    skipped = [line for line in out.splitlines() if line.startswith("SKIPPED")]
    assert skipped
    for line in skipped:
        assert line.endswith(tuple(f"{NAME}: {extra} not offered" for extra in EXTRAS)), line
