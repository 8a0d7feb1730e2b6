"""The terminal: messages, exit statuses, and errors in one line instead of a traceback.

Standard output is for results (sampled text, help); everything else goes to standard error. Exit
status 0 is success, 2 an error of the user's, 130 a stop by Ctrl-C.
"""

import io
import os
import signal
import sys
from collections.abc import Callable

from shared.errors import UserError

CHECK_ONLY = "MINIGPT_CHECK_ONLY"
"""The environment variable by which noxfile.py asks a command that trains whether it could begin:
better before the conformance suite, which takes minutes, than after it."""

OK, USER_ERROR = 0, 2
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE


def run_command(command: Callable[[], int]) -> int:
    """Run a command; what the user can mend becomes a message without a traceback."""
    try:
        return command()
    except UserError as error:
        say(f"error: {error}")
        return USER_ERROR
    except MemoryError as error:
        say(f"error: not enough memory: {error}")
        return USER_ERROR
    except KeyboardInterrupt:
        say("\nstopped")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (sample | head). Python would complain once more when it closes
        # standard output at exit, so it gets another one.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:  # a full disk behind standard output, a name too long
        say(f"error: {error}")
        return USER_ERROR
    except SystemExit as end:  # after --help
        return int(end.code or OK)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def end_of_checks() -> None:
    """Here a command that trains has checked all that is quickly checked. Ends the process with
    status 0 if that was all it was started for."""
    if os.environ.get(CHECK_ONLY):
        raise SystemExit(OK)


def same_output_everywhere() -> None:
    """Standard output in UTF-8 whatever the locale, so that texts can be compared."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")  # what it cannot show
        else:
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
