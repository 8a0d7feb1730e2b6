"""Say in one line what is wrong with a command line, and what may have been meant."""

import argparse
import contextlib
import io
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import dropwhile, pairwise, takewhile
from typing import NoReturn

from rich.text import Text

from shared.errors import UserError

OTHER_NAMES = {
    **{"--lr": "--learning-rate", "--wd": "--weight-decay", "--num-tokens": "--max-new-tokens"},
    **{"--max-iters": "--steps", "--epochs": "--steps", "--context-length": "--block-size"},
    **{"--num-layers": "--n-layer", "--num-heads": "--n-head", "--d-model": "--n-embd"},
}
"""Options by the names that other programs use for them."""
TEXTS = ("--prompt", "--text")
"""Options whose value is not a name; their commands explain what is wrong with an empty one."""
NARROWEST = 20
"""Minimum columns of a help text: with fewer, tyro never returns."""


class UsageError(UserError):
    """A command line that cannot be carried out."""


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


@contextlib.contextmanager
def short_complaints(prog: str, argv: Sequence[str] | None) -> Iterator[None]:
    """Turn tyro's exit with status 2, and the box it prints, into a `UsageError`."""
    words = sys.argv[1:] if argv is None else argv
    _refuse_empty(words)
    complaint = io.StringIO()
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(max(NARROWEST, shutil.get_terminal_size().columns))
    try:
        with contextlib.redirect_stderr(complaint):
            yield
    except SystemExit as end:
        if not end.code:  # after --help
            raise
        message = _without_box(complaint.getvalue())
        if hint := _hint(words):
            message = message.partition(". Perhaps")[0] + hint
        raise UsageError(f"{message}\nAll options: {prog} --help") from None
    finally:
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


def _refuse_empty(words: Sequence[str]) -> None:
    """Refuse empty values: they come from unset shell variables, and as a path would mean "."."""
    for before, word in pairwise(["", *words]):
        option = re.sub("^(--.+)=$", r"\1", word) if word else before
        if (not word or option != word) and option not in TEXTS:
            raise UsageError(f"{option or 'an argument'} is empty")


def _hint(words: Sequence[str]) -> str:
    """Say what words that tyro refused may have meant."""
    for option, value in pairwise(words):
        if option == "--prompt" and value.startswith("-"):
            meant = shlex.quote(f"--prompt={value}")
            return f" A prompt that begins with - is given as {meant}"
    names = [word.partition("=")[0] for word in words]
    others = [OTHER_NAMES[name] for name in names if name in OTHER_NAMES]
    return f". Perhaps you meant {' or '.join(others)}" if others else ""


def _without_box(boxed: str) -> str:
    """One line from tyro's box: the text between its title and its first rule."""
    lines = [line.strip("│ ") for line in Text.from_ansi(boxed).plain.splitlines()]

    def is_rule(line: str) -> bool:
        return not line.strip("─-╰╯ ")

    message = " ".join(takewhile(lambda line: not is_rule(line), dropwhile(is_rule, lines[1:])))
    similar = re.findall(r"^--\w[\w-]*", "\n".join(lines), re.MULTILINE)
    if "Perhaps you meant:" in lines and similar:
        message += f". Perhaps you meant {' or '.join(similar)}"
    # tyro keeps the choices of an optional option in a set, which has no order.
    message = re.sub(r"(?<=Expected one of \()[^)]*", _sorted, message)
    return message.removeprefix("Error parsing ")


def _sorted(choices: re.Match[str]) -> str:
    return ", ".join(sorted(choices[0].split(", ")))
