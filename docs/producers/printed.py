"""The output of a command on a page."""

import os
import subprocess
import sys

from docs.commands import words_of_module
from docs.data import Producer, ProducerError
from shared.sources import ROOT

COLUMNS = "84"
SECONDS = 120


def printed(command: str) -> Producer:
    """The producer of a command's standard output, `python -m MODULE …`.

    Raises:
        CommandError: it is another kind of command, or the module does not exist.
    """
    words = words_of_module(command)

    def measure() -> str:
        """Run it from the top of the repository, by this Python."""
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
            raise ProducerError(f"not finished after {SECONDS} s: {command}") from None
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise ProducerError(f"the command fails (status {done.returncode}): {command}: {why}")
        return done.stdout

    return Producer(command, "what it prints", measure)
