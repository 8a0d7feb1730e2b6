"""Long texts in parts, so that neither memory nor the time until Ctrl-C grows with them."""

import re
import threading
from collections.abc import Callable, Iterator

# The library keeps offsets and strings for every token, 400 bytes each: words and merges of a long
# text are found in chunks. No token of either crosses a seam: white space after something else, or
# punctuation after a letter or digit; to "word", every space is a token.
CHUNK = 1 << 12
LONGEST = 1 << 12
"""Characters without a seam after which "bpe" cuts anyway: merging takes time by their square."""
_SEAM = r"(?<=\S)(?=[ \t\n\r])|(?<=[A-Za-z0-9])(?=[!-/:-@\[-^`{-~])"
_SEAMS = {"word": re.compile(rf"{_SEAM}|(?<=[ \n])"), "bpe": re.compile(_SEAM)}
SLICE = 1 << 20
"""Characters that are looked at together, so that Ctrl-C need not wait for a long text."""


def chunks(text: str, kind: str) -> Iterator[str]:
    """A text in parts that can be encoded one by one."""
    start, end = 0, len(text)
    while end - start > CHUNK:
        latest = min(end, start + CHUNK + LONGEST) if kind == "bpe" else end
        seam = _SEAMS[kind].search(text, start + CHUNK, latest)
        next_start = seam.start() if seam else latest
        yield text[start:next_start]
        start = next_start
    yield text[start:]


def slices(text: str) -> Iterator[tuple[int, str]]:
    """A text in parts of `SLICE` characters, and where each begins."""
    for start in range(0, len(text), SLICE):
        yield start, text[start : start + SLICE]


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
