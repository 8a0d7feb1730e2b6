"""One text through the four tokenizers: its pieces, their ids, and the decoded text."""

from collections.abc import Iterable, Iterator, Mapping

from rich.console import RenderableType

from lessons.printing import tokens_over_ids
from shared.commands.next_tokens import SPACE, show_token
from shared.commands.terminal import escape_controls
from shared.text.tokenizers import Tokenizer

INTRODUCTION = {
    "byte": "every byte of UTF-8 is its own id; there is nothing to learn",
    "char": "the characters of the dataset, in the order of Unicode",
    "word": "the most frequent words of the dataset; any other becomes <unk>",
    "bpe": "bytes, and the pairs of neighbours that were merged most often",
}


def lesson(tokenizers: Mapping[str, Tokenizer], text: str) -> Iterator[RenderableType]:
    """The lines of the lesson.

    Raises:
        TokenizerError: the text is not valid Unicode, so that it has no bytes.
    """
    tokenizers["byte"].check(text)
    yield f"The text: {escape_controls(text)}"
    yield f"{len(text):,} characters, {len(text.encode()):,} bytes of UTF-8 ({SPACE} is a space)"
    for kind, tokenizer in tokenizers.items():
        refused = tokenizer.unknown_characters(text)
        known = "".join(character for character in text if character not in refused)
        ids = tokenizer.encode(known)
        yield ""
        yield f"{kind}: {INTRODUCTION[kind]}"
        yield f"{len(ids):,} tokens, out of {tokenizer.vocab_size:,} different ones:"
        pieces = [show_token(tokenizer, token) for token in ids.tolist()]
        yield tokens_over_ids(pieces, ids.tolist())
        if refused:
            yield f"refused, for they are not in the dataset: {_listed(refused)} (left out here)"
        if unknown := tokenizer.unknown_words(known):
            yield f"unknown, so they are lost: {_listed(unknown)}"
        back = tokenizer.decode(ids)
        yield "decoded: " + ("the same text" if back == text else escape_controls(back))


def _listed(pieces: Iterable[str]) -> str:
    return " ".join(escape_controls(piece).replace("\n", "\\n") for piece in pieces)
