"""Long texts in chunks, so that neither memory nor the response to Ctrl-C depends on length."""

import itertools
import re
import threading
from collections.abc import Callable, Iterator

from shared.text.utf8 import Text, slices

# The library keeps offsets and strings for every token, 400 bytes each, so long texts are encoded
# in chunks. No token crosses a seam, which is white space after something else, or punctuation
# after a letter or digit; for "word", where every space is a token, also any place after one.
CHUNK = 1 << 12
LONGEST = 1 << 12
"""Characters without a seam after which "bpe" cuts anyway: merging takes quadratic time."""
_SEAM = r"(?<=\S)(?=[ \t\n\r])|(?<=[A-Za-z0-9])(?=[!-/:-@\[-^`{-~])"
_SEAMS = {"word": re.compile(rf"{_SEAM}|(?<=[ \n])"), "bpe": re.compile(_SEAM)}


def chunks(text: Text, kind: str) -> Iterator[str]:
    """Split a text into parts that can be encoded one by one."""
    rest, searched = "", 0  # what is still to be cut, and up to where it has no seam
    for part in itertools.chain((part for _, part in slices(text)), [None]):
        rest, start = rest + (part or ""), 0
        # If more is to come, it may move a cut this close to the end.
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
    """Run a long library call that ignores Ctrl-C in a thread, so that Ctrl-C ends the wait."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.5)  # without a timeout, Windows would not notice Ctrl-C
    if errors:
        raise errors[0]
