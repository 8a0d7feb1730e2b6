"""Run the tests in a browser, after checking their requirements. Takes the arguments of pytest."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from docs.browser.chromium import DRIVER, built_site, find_browser
from shared.commands.terminal import run_command
from shared.errors import UserError
from shared.sources import ROOT


class NothingToTest(UserError):
    """A requirement is missing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tests. Returns pytest's exit status, or 2 if something is missing."""
    return run_command(lambda: _test(list(sys.argv[1:] if argv is None else argv)))


def _test(arguments: list[str]) -> int:
    check_what_is_needed(built_site())
    named = any(argument.startswith("docs/browser/") for argument in arguments)
    tests = [] if named else ["docs/browser"]
    return subprocess.run([sys.executable, "-m", "pytest", *tests, *arguments], cwd=ROOT).returncode


def check_what_is_needed(site: Path) -> None:
    """Raises `NothingToTest`, naming what is missing and how to get it."""
    install = "install Chromium and its driver (Debian: apt install chromium chromium-driver)"
    if find_browser() is None:
        raise NothingToTest(f"there is no Chromium here: {install}")
    if shutil.which(DRIVER) is None:
        raise NothingToTest(f"there is no {DRIVER} here: {install}")
    if not (site / "index.html").is_file():
        raise NothingToTest(f"there is no site in {site}: build it with nox -s docs")


if __name__ == "__main__":
    sys.exit(main())
