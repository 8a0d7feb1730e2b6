"""The tests in a browser, once all they need is found; the arguments are those of pytest."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from docs.browser.chromium import DRIVER, find_browser
from docs.browser.pages import built_site
from shared.commands.terminal import run_command
from shared.errors import UserError
from shared.sources import ROOT


class NothingToTest(UserError):
    """Something that is needed is not there."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tests. Returns pytest's exit status, or 2 if something is missing."""
    return run_command(lambda: _test(list(sys.argv[1:] if argv is None else argv)))


def _test(arguments: list[str]) -> int:
    check_what_is_needed(built_site())
    # A test that is named is run, and not all the others besides.
    named = any(argument.startswith("docs/browser/") for argument in arguments)
    tests = [] if named else ["docs/browser"]
    return subprocess.run([sys.executable, "-m", "pytest", *tests, *arguments], cwd=ROOT).returncode


def check_what_is_needed(site: Path) -> None:
    """Raises `NothingToTest`, saying what is missing and how one gets it."""
    install = "install Chromium and its driver (Debian: apt install chromium chromium-driver)"
    if find_browser() is None:
        raise NothingToTest(f"there is no Chromium here: {install}")
    if shutil.which(DRIVER) is None:
        raise NothingToTest(f"there is no {DRIVER} here: {install}")
    if not (site / "index.html").is_file():
        raise NothingToTest(f"there is no site in {site}: build it with nox -s docs")


if __name__ == "__main__":
    sys.exit(main())
