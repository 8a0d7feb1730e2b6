"""The gate before every training: the conformance suite, or the knowledge that it has passed.

`python -m conformance.gate` runs the suite, unless it has passed with exactly these sources and
installed versions before. `--always` runs it in any case.
"""

import argparse
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from shared import sources
from shared.sources import ROOT

STAMP = ROOT / "build" / "conformance-passed.json"
COVERED = (
    *("shared", "impls/numpy", "impls/torch", "impls/jax", "conformance", "audits/oracles"),
    *("pyproject.toml", "constraints.txt"),
)
"""Files and directories whose change may change the suite's verdict."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite if need be. Returns pytest's exit status; 0 if there was no need."""
    parser = argparse.ArgumentParser(prog="python -m conformance.gate", description=__doc__)
    parser.add_argument("--always", action="store_true", help="run it even if it has passed")
    options = parser.parse_args(argv)
    before = fingerprint()
    passed = when_passed(before)
    if passed and not options.always:
        print(f"conformance: passed on {passed}, nothing has changed since; skipped", flush=True)
        return 0
    STAMP.unlink(missing_ok=True)
    status = run_suite()
    if status == 0:  # of what was there at the start: what was edited meanwhile is not proven
        record(before)
    return status


def run_suite() -> int:
    """Run pytest over the suite. The report, for people and programs, is left in build/."""
    # Quietly: what a person wants to see before a training is the table.
    command = [sys.executable, "-m", "pytest", "-q", "conformance", "--report", "build"]
    # Most of the time JAX compiles, on one core. More than two processes compile the same twice.
    command += ["-n", "2", "--dist", "loadgroup"]
    return subprocess.run(command, cwd=ROOT).returncode


def fingerprint(root: Path = ROOT, covered: Sequence[str] = COVERED) -> str:
    """A hash of everything the suite's verdict depends on: sources and installed versions."""
    parts = [sources.fingerprint(covered, root), *installed()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def installed() -> list[str]:
    """Python, the platform, and every installed package with its version."""
    packages = {f"{d.name.lower()}=={d.version}" for d in importlib.metadata.distributions()}
    return [platform.python_version(), platform.platform(), *sorted(packages)]


def when_passed(current: str) -> str | None:
    """When the suite last passed with the fingerprint `current`; None if it did not.

    A stamp that cannot be read is none: the worst that follows is a run too many.
    """
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return str(stamp["passed"]) if stamp["fingerprint"] == current else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record(passed: str) -> None:
    """Note that the suite has passed with this fingerprint."""
    STAMP.parent.mkdir(exist_ok=True)
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    part = STAMP.with_suffix(".part")
    part.write_text(json.dumps({"fingerprint": passed, "passed": now}), encoding="utf-8")
    part.replace(STAMP)


if __name__ == "__main__":
    sys.exit(main())
