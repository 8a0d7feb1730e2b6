"""The three standard streams, whatever the caller closed or cannot read any more."""

import io
import os
import sys
from typing import TextIO


class Messages(io.TextIOWrapper):
    """Standard error that cannot fail: a terminal that was closed must not end a training."""

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
    """Have three standard streams, whatever the caller closed, and one for messages that lasts.

    The next file to be opened would take the descriptor of a stream that is closed (`2>&-`), and
    messages would be written into it. What takes it here can only be read: results that have
    nowhere to go are an error.
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
    """Python flushes a stream at exit, and would complain of what it could not write before."""
    try:
        stream.flush()
    except OSError:
        drop(stream)


def drop(stream: TextIO) -> None:
    """Send what is left in a stream, and all that follows, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
