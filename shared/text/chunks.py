"""Long texts in parts, so that neither memory nor the time until Ctrl-C grows with them."""

import itertools
import re
import threading
from collections.abc import Callable, Iterator

from shared.text.utf8 import Text, slices

# The library keeps offsets and strings for every token, 400 bytes each: words and merges of a long
# text are found in chunks. No token of either crosses a seam: white space after something else, or
# punctuation after a letter or digit; to "word", every space is a token.
CHUNK = 1 << 12
LONGEST = 1 << 12
"""Characters without a seam after which "bpe" cuts anyway: merging takes time by their square."""
_SEAM = r"(?<=\S)(?=[ \t\n\r])|(?<=[A-Za-z0-9])(?=[!-/:-@\[-^`{-~])"
_SEAMS = {"word": re.compile(rf"{_SEAM}|(?<=[ \n])"), "bpe": re.compile(_SEAM)}


def chunks(text: Text, kind: str) -> Iterator[str]:
    """A text in parts that can be encoded one by one."""
    rest, searched = "", 0  # what is still to be cut, and up to where it has no seam
    for part in itertools.chain((part for _, part in slices(text)), [None]):
        rest, start = rest + (part or ""), 0
        # Where more is to come, it may change the place of a cut that is this near to the end.
        while len(rest) - start > (CHUNK if part is None else CHUNK + LONGEST):
            latest = len(rest) if kind == "word" else min(len(rest), start + CHUNK + LONGEST)
            seam = _SEAMS[kind].search(rest, max(start + CHUNK, searched), latest)
            if seam is None and kind == "word" and part is not None:
                searched = latest
                break
            end = seam.start() if seam else latest
            yield rest[start:end]
            start, searched = end, 0
        rest, searched = rest[start:], max(0, searched - start)
    yield rest


def interruptible(work: Callable[[], object]) -> None:
    """Call a library that works for long without looking for Ctrl-C, which ends the waiting."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.5)  # without a limit, Windows would not notice Ctrl-C
    if errors:
        raise errors[0]
