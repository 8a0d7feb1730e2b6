"""Which characters a text has, and where one stands: for messages about those unknown."""

from shared.errors import TokenizerError
from shared.text.utf8 import Text, Utf8, slices


def characters_of(text: Text) -> set[str]:
    """The different characters of a text."""
    return set[str]().union(*(set(part) for _, part in slices(text)))


def check_unicode(text: Text) -> None:
    """Raise `TokenizerError` for half a surrogate pair, which Python lets into a text."""
    if isinstance(text, Utf8):
        return
    if surrogates := {c for c in characters_of(text) if "\ud800" <= c <= "\udfff"}:
        where = first_of(text, surrogates)
        raise TokenizerError(f"half a surrogate pair is no character: {place_of(text, where)}")


def first_of(text: Text, characters: set[str]) -> int:
    """The offset of the first of some characters, which the text has."""
    for start, part in slices(text):
        if found := characters & set(part):
            return start + min(part.index(character) for character in found)
    raise ValueError("the text has none of these characters")


def place_of(text: Text, offset: int) -> str:
    """A character of a text and where it stands: line and column as editors count them."""
    text = str(text)
    character = text[offset]
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return (
        f"{character!r} (U+{ord(character):04X}), "
        f"at line {line}, column {column} (offset {offset} in characters)"
    )
