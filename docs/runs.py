"""The output of commands on the pages, kept until a source changes."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from docs.commands import CommandError, words_of_module
from shared.files import explained, write_whole
from shared.sources import ROOT, fingerprint

DIRECTORY = ROOT / "build" / "docs-data" / "printed"
SOURCES = ("impls", "shared", "lessons", "audits/mutants", "conformance", "constraints.txt")
COLUMNS = "84"
SECONDS = 120


@dataclass(frozen=True)
class Printed:
    """The standard output of a command."""

    command: str
    fingerprint: str
    text: str
    stale: bool = False
    """The sources have changed since."""


def printed(command: str, *, run: bool) -> Printed | None:
    """The output of a command, which is run if its output is not known.

    Args:
        command: `python -m MODULE …`, run from the top of the repository by this Python.
        run: whether it may be run. Otherwise returns its last output, or None.

    Raises:
        CommandError: it failed, or took too long.
    """
    words = words_of_module(command)
    path = DIRECTORY / f"{hashlib.sha256(command.encode()).hexdigest()[:16]}.json"
    current = fingerprint(SOURCES)
    known = _read(path)
    if known is not None and known.fingerprint == current:
        return known
    if not run:
        return known and replace(known, stale=True)
    new = Printed(command, current, _run(command, words))
    with explained("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(new), indent=1))
    return new


def _run(command: str, words: list[str]) -> str:
    environment = os.environ | {"COLUMNS": COLUMNS, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    # Hints name the commands for a user's own shell, even if nox builds the site.
    environment.pop("NOX_CURRENT_SESSION", None)
    try:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"not finished after {SECONDS} s: {command}") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise CommandError(f"the command fails (status {done.returncode}): {command}: {why}")
    return done.stdout


def _read(path: Path) -> Printed | None:
    try:
        return Printed(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
