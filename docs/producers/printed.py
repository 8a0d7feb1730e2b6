"""The output of a command on a page."""

import os
import shlex
import subprocess
import sys
from typing import Any

from docs.data import Producer, ProducerError
from shared.sources import ROOT

COLUMNS = "84"
SECONDS = 120


def printed(command: str) -> Producer:
    """The producer of what `python -m MODULE …` prints, from the top of the repository."""
    environment = os.environ | {"COLUMNS": COLUMNS, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
    # Hints name the commands for a user's own shell, even if nox builds the site.
    environment.pop("NOX_CURRENT_SESSION", None)
    how: Any = {"cwd": ROOT, "env": environment, "timeout": SECONDS}
    words = [sys.executable, *shlex.split(command)[1:]]

    def measure() -> str:
        try:
            return subprocess.run(words, check=True, capture_output=True, text=True, **how).stdout
        except subprocess.CalledProcessError as error:
            why = error.stderr.strip().rpartition("\n")[2]
            raise ProducerError(f"the command fails: {command}: {why}") from None
        except subprocess.TimeoutExpired:
            raise ProducerError(f"not finished after {SECONDS} s: {command}") from None

    return Producer(command, "what it prints", measure)
