"""The terminal: messages, exit statuses, and errors in one line instead of a traceback.

Standard output is for results (sampled text, help); everything else goes to standard error. Exit
status 0 is success, 2 a user error, 130 a stop by Ctrl-C.
"""

import io
import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from shared.checkpoints.untrusted import reason, show
from shared.errors import UserError

CHECK_ONLY = "MINIGPT_CHECK_ONLY"
"""The environment variable with which noxfile.py asks a training command whether it could start:
better before the conformance suite, which takes minutes, than after it."""

OK, USER_ERROR = 0, 2
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE
PATIENCE = 2.0
"""Seconds after which users are told what is being done."""

TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Unicode's classes of characters that change the direction of writing (UAX #9, table 4)."""


def run_command(command: Callable[[], int]) -> int:
    """Run a command; errors the user can fix become messages without a traceback."""
    keep_streams()
    try:
        try:
            status = command()
        except SystemExit as end:  # after --help
            status = int(end.code or OK)
        sys.stdout.flush()  # here, where a full disk can still be reported
        return status
    except UserError as error:
        say(f"error: {error}")
        return USER_ERROR
    except KeyboardInterrupt:
        say("\nstopped")
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough: sample | head
        return BROKEN_PIPE
    except OSError as error:  # a full disk behind standard output, a name too long
        where = f"{show(error.filename)}: " if error.filename else ""
        say(f"error: {where}{reason(error)}")
        return USER_ERROR
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        say(f"error: not enough memory: {str(error).partition(chr(10))[0]}")
        return USER_ERROR
    finally:
        flush_or_drop(sys.stdout)


def _lacks_memory(error: Exception) -> bool:
    """PyTorch and JAX raise a `RuntimeError` where NumPy and Python raise `MemoryError`."""
    signs = ("can't allocate memory", "out of memory", "RESOURCE_EXHAUSTED")
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in signs)


def say(text: str) -> None:
    """Print a message. File names in it cannot control the terminal."""
    print(escape_controls(text), file=sys.stderr, flush=True)


def escape_controls(text: str) -> str:
    """`text` with its control characters, except tab and newline, in Python's spelling.

    So are those that change the direction of writing, which would misrepresent the text.
    """
    return "".join(ascii(c)[1:-1] if _commands(c) else c for c in text)


def _commands(c: str) -> bool:
    """Whether a terminal might do something with this character other than show it."""
    if unicodedata.category(c) == "Cc":
        return c not in "\t\n"
    return unicodedata.bidirectional(c) in TURNS


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Say what is being done if it takes longer than `PATIENCE` seconds."""
    timer = threading.Timer(PATIENCE, say, [f"{what} …"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def end_of_checks() -> None:
    """Called when a training command has made all its quick checks. Exits with status 0 if it was
    started only for these."""
    if os.environ.get(CHECK_ONLY):
        raise SystemExit(OK)


def same_output_everywhere() -> None:
    """Write UTF-8 to standard output whatever the locale, so that texts can be compared."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")  # for what it cannot show
        else:
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")


# The three standard streams, whatever the caller has closed


class Messages(io.TextIOWrapper):
    """Standard error that cannot fail: a closed terminal must not end training."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            drop(self)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            drop(self)


def keep_streams() -> None:
    """Make sure that all three standard streams exist, and that standard error cannot fail.

    Otherwise the next file to be opened would take the descriptor of a closed stream (`2>&-`), and
    messages would be written into it. What takes it here is read-only: results that have nowhere to
    go are an error.
    """
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        raw = open(2, "wb", closefd=False)  # noqa: SIM115
        encoding = sys.stderr.encoding if sys.stderr else "utf-8"
        sys.stderr = Messages(raw, encoding, errors="backslashreplace", line_buffering=True)


def flush_or_drop(stream: TextIO) -> None:
    """Flush a stream, or drop it: at exit, Python would complain that it cannot flush it."""
    try:
        stream.flush()
    except OSError:
        drop(stream)


def drop(stream: TextIO) -> None:
    """Discard what is left in a stream, and all that follows."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
