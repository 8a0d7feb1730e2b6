"""Run the tests in a browser, after checking their requirements. Takes the arguments of pytest."""

import subprocess
import sys

from docs.browser.chromium import check_what_is_needed
from shared.commands.terminal import run_command
from shared.sources import ROOT


def main() -> int:
    """Run the tests. Returns pytest's exit status, or 2 if something is missing."""
    check_what_is_needed()
    named = any(argument.startswith("docs/browser/") for argument in sys.argv)
    command = [sys.executable, "-m", "pytest", *([] if named else ["docs/browser"]), *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(run_command(main))
