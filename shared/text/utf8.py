"""A long text as the UTF-8 bytes of its file, decoded in parts.

As a str, a text with a single emoji takes four bytes for every character.
"""

import codecs
from collections.abc import Iterator

import numpy as np

from shared.errors import TokenizerError

SLICE = 1 << 20
"""Characters or bytes that are processed together, so that Ctrl-C need not wait for a long text."""
FIRST_CONTINUED = -64
"""The bytes that continue a character (0b10xxxxxx) are all below this, as signed numbers."""


class Utf8:
    """A text kept as bytes, with what this package needs of a str's interface; `str` decodes it.

    Offsets and lengths are in characters, as in a str.
    """

    def __init__(self, data: bytes | memoryview) -> None:
        """Wrap bytes that are valid UTF-8: see `check_utf8`."""
        self._data = memoryview(data)
        self._bytes = np.frombuffer(data, np.int8)
        self._length = sum(self._begun(first) for first in range(0, len(data), SLICE))

    def _begun(self, first: int) -> int:
        """How many characters begin in the slice of bytes from `first`."""
        return int(np.count_nonzero(self._bytes[first : first + SLICE] >= FIRST_CONTINUED))

    def __len__(self) -> int:
        return self._length

    def __str__(self) -> str:
        return str(self._data, "utf-8")

    def encode(self) -> memoryview:
        """The bytes, not copied."""
        return self._data

    def split(self, offset: int) -> tuple["Utf8", "Utf8"]:
        """The text before a character's offset, and the text from there on."""
        first, before = 0, 0
        while first < len(self._data) and before + (begun := self._begun(first)) <= offset:
            first, before = first + SLICE, before + begun
        begins = np.flatnonzero(self._bytes[first : first + SLICE] >= FIRST_CONTINUED)
        where = first + int(begins[offset - before]) if len(begins) else len(self._data)
        return Utf8(self._data[:where]), Utf8(self._data[where:])

    def slices(self) -> Iterator[tuple[int, str]]:
        """See the function `slices`."""
        decoder, start = codecs.getincrementaldecoder("utf-8")(), 0
        for first in range(0, len(self._data), SLICE):
            part = decoder.decode(self._data[first : first + SLICE])
            yield start, part
            start += len(part)


Text = str | Utf8


def slices(text: Text) -> Iterator[tuple[int, str]]:
    """A text in parts of up to `SLICE` characters, and where each begins."""
    if isinstance(text, str):
        yield from ((start, text[start : start + SLICE]) for start in range(0, len(text), SLICE))
    else:
        yield from text.slices()


def check_utf8(data: bytes) -> None:
    """Raise `UnicodeDecodeError`, with the offset in all of the bytes, if they are not UTF-8."""
    if data.isascii():
        return
    decoder, first = codecs.getincrementaldecoder("utf-8")(), 0
    for first in range(0, len(data), SLICE):
        try:
            held = len(decoder.getstate()[0])
            decoder.decode(data[first : first + SLICE], final=first + SLICE >= len(data))
        except UnicodeDecodeError as error:
            error.start += first - held
            error.end += first - held
            raise


# For messages about characters that are unknown


def characters_of(text: Text) -> set[str]:
    return set[str]().union(*(set(part) for _, part in slices(text)))


def check_unicode(text: Text) -> None:
    """Raise `TokenizerError` for a lone surrogate, which Python allows in a str."""
    if isinstance(text, Utf8):
        return
    if surrogates := {c for c in characters_of(text) if "\ud800" <= c <= "\udfff"}:
        where = first_of(text, surrogates)
        raise TokenizerError(f"half a surrogate pair is no character: {place_of(text, where)}")


def first_of(text: Text, characters: set[str]) -> int:
    """The offset of the first of some characters, one of which the text must have."""
    for start, part in slices(text):
        if found := characters & set(part):
            return start + min(part.index(character) for character in found)
    raise ValueError("the text has none of these characters")


def place_of(text: Text, offset: int) -> str:
    """A character of a text and its place: line and column as editors count them."""
    text = str(text)
    character = text[offset]
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return (
        f"{character!r} (U+{ord(character):04X}), "
        f"at line {line}, column {column} (offset {offset} in characters)"
    )
