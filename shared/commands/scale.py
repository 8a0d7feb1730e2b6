"""Train in several processes on this machine: nox -s scale -- --backend torch --processes 2"""

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from shared.commands.complaints import Parser, UsageError
from shared.commands.terminal import run_command, say
from shared.processes import LAUNCHERS, start
from shared.runs.stopping import SIGNALS


def main(argv: Sequence[str] | None = None) -> int:
    """Start the processes, forward signals, and wait. Returns the exit status of one that fails."""
    return run_command(lambda: _scale(argv))


def _scale(argv: Sequence[str] | None) -> int:
    parser = Parser(
        "nox -s scale --",
        description="All other options are those of python -m impls.BACKEND.train.",
    )
    parser.add_argument("--backend", choices=LAUNCHERS, default="torch")
    parser.add_argument("--processes", type=int, default=2)
    options, others = parser.parse_known_args(argv)
    if options.processes < 1:
        raise UsageError(f"processes is {options.processes}; it must be 1 or more")
    command = ["-m", f"impls.{options.backend}.train", *others]
    running = start(options.backend, options.processes, command, start_new_session=True)

    def pass_on(number: int, _: FrameType | None) -> None:
        for process in running:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    statuses = [process.wait() for process in running]
    for number, handler in before.items():
        signal.signal(number, handler)
    for rank, status in enumerate(statuses):
        if status < 0:
            say(f"process {rank} was ended by {signal.Signals(-status).name}, and so all stopped")
    return max(map(abs, statuses))


if __name__ == "__main__":
    sys.exit(main())
