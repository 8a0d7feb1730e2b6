"""Train in several processes on this machine: python -m shared.commands.scale --processes 2"""

import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Literal

import tyro

from shared.commands.complaints import UsageError, short_complaints
from shared.commands.options import FLAT
from shared.commands.terminal import run_command, say
from shared.processes import start
from shared.runs.stopping import SIGNALS

PROGRAM = "nox -s scale --"


@dataclass(frozen=True)
class Options:
    """How many processes. All other options are those of `python -m impls.BACKEND.train`."""

    backend: Literal["numpy", "torch", "jax"] = "torch"
    """The backend to train in."""
    processes: int = 2
    """Processes that divide each batch among them."""

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise UsageError(f"processes is {self.processes}; it must be 1 or more")


def main(argv: Sequence[str] | None = None) -> int:
    """Start the processes and wait for all of them. Returns the exit status of one that failed."""
    return run_command(lambda: _scale(argv))


def _scale(argv: Sequence[str] | None) -> int:
    with short_complaints(PROGRAM, argv):
        options, others = tyro.cli(
            Options, args=argv, config=FLAT, prog=PROGRAM, return_unknown_args=True
        )
    command = ["-m", f"impls.{options.backend}.train", *others]
    running = start(options.backend, options.processes, command, start_new_session=True)

    def pass_on(number: int, _: FrameType | None) -> None:
        for process in running:
            process.send_signal(number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    statuses = [process.wait() for process in running]
    for rank, status in enumerate(statuses):
        if status < 0:
            say(f"process {rank} was ended by {signal.Signals(-status).name}, and so all stopped")
    return max(map(abs, statuses))


if __name__ == "__main__":
    sys.exit(main())
