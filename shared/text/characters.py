"""Which characters a text has, and where one stands: for messages about those unknown."""

from shared.errors import TokenizerError
from shared.text.chunks import slices


def characters_of(text: str) -> set[str]:
    """The different characters of a text."""
    return set[str]().union(*(set(part) for _, part in slices(text)))


def check_unicode(text: str) -> None:
    """Raise `TokenizerError` for half a surrogate pair, which Python lets into a text."""
    if surrogates := {c for c in characters_of(text) if "\ud800" <= c <= "\udfff"}:
        where = first_of(text, surrogates)
        raise TokenizerError(f"half a surrogate pair is no character: {place_of(text, where)}")


def first_of(text: str, characters: set[str]) -> int:
    """The offset of the first of some characters, all of which the text has."""
    return min(text.index(character) for character in characters)


def place_of(text: str, offset: int) -> str:
    """A character of a text and where it stands: line and column as editors count them."""
    character = text[offset]
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return (
        f"{character!r} (U+{ord(character):04X}), "
        f"at line {line}, column {column} (offset {offset} in characters)"
    )
