"""The gate before every training: the conformance suite must have passed.

`python -m conformance.gate` runs the suite, unless it has already passed with exactly these sources
and installed versions. `--always` runs it regardless. With `--environment .nox/env-jax`, the
environment that is about to train must have the versions that the suite runs with.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from shared import sources
from shared.commands.complaints import Parser
from shared.commands.terminal import run_command, say
from shared.errors import UserError
from shared.files import write_whole
from shared.sources import ROOT

STAMP = ROOT / "build" / "conformance-passed.json"
REPORT = STAMP.with_name("conformance.json")
COVERED = (
    *("shared", "impls/numpy", "impls/torch", "impls/jax", "conformance"),
    *("impls/__init__.py", "pyproject.toml", "constraints.txt"),
)
"""Files and directories that can affect the suite's verdict."""

LARGE = "conformance/model/test_large.py"
"""Runs with --large only."""

VIRTUALENV = {"pip", "setuptools", "wheel"}
"""Packages whose versions virtualenv chooses. They compute nothing."""


class NotProven(UserError):
    """No test has failed, but the run proves nothing about what is to be trained."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite if needed. Returns pytest's exit status; 0 if it was not needed, 2 if no test
    has failed but nothing is proven, 130 after Ctrl-C."""
    parser = Parser(prog="python -m conformance.gate", description=__doc__)
    parser.add_argument("--always", action="store_true", help="run it even if it has passed")
    parser.add_argument(
        "--environment", type=Path, metavar="DIR", help="the virtual environment that will train"
    )
    return run_command(lambda: _pass(**vars(parser.parse_args(argv))))


def _pass(always: bool, environment: Path | None) -> int:
    if environment is not None:
        require_same_versions(environment)
    with one_at_a_time():
        before = fingerprint()
        passed = when_passed(before)
        if passed and not always:
            say(f"conformance: passed on {passed}, nothing has changed since; skipped")
            return 0
        for outdated in (STAMP, REPORT):
            outdated.unlink(missing_ok=True)
        status = run_suite()
        if status == 0:
            require_proof(before)
            now = datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
            write_whole(STAMP, json.dumps({"fingerprint": before, "passed": now}))
        return status


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for a run in another process to end: if it passes, this one is not needed."""
    STAMP.parent.mkdir(exist_ok=True)
    lock = FileLock(STAMP.with_suffix(".lock"))
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        say("conformance: waiting for the suite that runs in another process")
        held = lock.acquire()
    with held:
        yield


def run_suite() -> int:
    """Run pytest on the suite. Leaves the report, for people and programs, in build/."""
    # Quietly: before training, only the table is of interest.
    command = [sys.executable, "-m", "pytest", "-q", "conformance", "--report", "build"]
    # Most of the time, JAX compiles on one core. More than two processes would compile code twice.
    command += ["-p", "xdist", "-n", "2", "--dist", "loadgroup"]
    # Nothing outside COVERED may decide what is tested: no variable (PYTHONOPTIMIZE removes
    # assertions), no other configuration, no conftest.py above the suite, no plugin.
    command += ["-c", "pyproject.toml", "--confcutdir", "conformance"]
    kept = {name: x for name, x in os.environ.items() if not name.startswith("PYTEST_")}
    kept.pop("PYTHONOPTIMIZE", None)
    suite = subprocess.Popen(
        command,
        cwd=ROOT,
        env=kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdin=subprocess.DEVNULL,
        # A separate process group: Ctrl-C reaches only this process, which then ends all others.
        process_group=0 if os.name == "posix" else None,
    )
    try:
        return suite.wait()
    except BaseException:
        if os.name == "posix":
            os.killpg(suite.pid, signal.SIGKILL)
        else:
            suite.kill()
        suite.wait()
        raise


def require_proof(before: str) -> None:
    """Raises `NotProven` unless the run that just passed ran every test, on these sources."""
    try:
        report = json.loads(REPORT.read_text(encoding="utf-8"))
        collected, passed = report["collected"], report["tests"]["passed"]
        ran = {test.partition("::")[0] for test in report["durations"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise NotProven("the suite has not left a report; nothing is proven") from None
    suite = {path.relative_to(ROOT).as_posix() for path in sources.files_of(ROOT / "conformance")}
    tests = {path for path in suite if path.rpartition("/")[2].startswith("test_")} - {LARGE}
    if missing := sorted(tests - ran):
        raise NotProven(f"{', '.join(missing)} has not run; nothing is proven")
    if not passed == collected > 0:
        raise NotProven(f"{passed} of {collected} tests have passed; nothing is proven")
    if not before == report["fingerprint"] == fingerprint():
        raise NotProven("sources have changed while the suite ran; nothing is proven")


def require_same_versions(environment: Path) -> None:
    """Require that an environment has the versions that the suite runs with. Raises
    `NotProven`, which names a package whose version differs."""
    places = [*environment.glob("lib/python*/site-packages"), environment / "Lib/site-packages"]
    there = versions_in(list(map(str, places)))
    if not there:
        raise NotProven(f"{environment} has no packages")
    here = versions_in(sys.path)
    shared = sorted((there.keys() & here.keys()) - VIRTUALENV)
    different = [name for name in shared if there[name] != here[name]]
    if different:
        has = ", ".join(f"{name} {there[name]}" for name in different)
        needed = ", ".join(f"{name} {here[name]}" for name in different)
        raise NotProven(
            f"{environment.name} has {has}, the suite runs with {needed}: delete the environment "
            f"that is wrong, {environment} or {sys.prefix}, and nox recreates it"
        )


def versions_in(directories: Sequence[str]) -> dict[str, str]:
    """The version of every package installed in these directories."""
    found = importlib.metadata.distributions(path=list(directories))
    return {package.name.lower(): package.version for package in found if package.name}


def fingerprint(root: Path = ROOT, covered: Sequence[str] = COVERED) -> str:
    """A hash of everything the suite's verdict depends on: sources and installed versions."""
    parts = [sources.fingerprint(covered, root), *installed()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def installed() -> list[str]:
    """Python, the platform, and every installed package with its version."""
    packages = sorted(f"{name}=={version}" for name, version in versions_in(sys.path).items())
    return [platform.python_version(), platform.platform(), *packages]


def when_passed(current: str) -> str | None:
    """When the suite last passed with the fingerprint `current`; None if it did not, or the stamp
    cannot be read: at worst, the suite runs once too often."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return str(stamp["passed"]) if stamp["fingerprint"] == current else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    for number in {"SIGTERM", "SIGHUP"} & set(dir(signal)):  # these must end the suite, too
        signal.signal(getattr(signal, number), signal.default_int_handler)
    sys.exit(main())
