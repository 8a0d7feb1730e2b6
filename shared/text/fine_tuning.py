"""Fine-tuning: whether a tokenizer built for one text can be used on another.

The initial weights know tokens by their ids, so their tokenizer is kept as it is. A character it
does not know cannot be encoded at all; a word it does not know becomes "<unk>", and the model is
trained to write that.
"""

from itertools import islice

from shared.errors import TokenizerError
from shared.text.datasets import Dataset
from shared.text.tokenizers import UNKNOWN, Tokenizer, split_words

NAMED = 8
"""How many unknown characters a message names."""


def refuse_unknown_characters(tokenizer: Tokenizer, dataset: Dataset, source: str) -> None:
    """Refuse a text with characters that the tokenizer of the weights from `source` cannot encode.
    Raises `TokenizerError` with the first few, how many there are and how often they occur."""
    unknown = tokenizer.unknown_characters(dataset.contents)
    if not unknown:
        return
    first = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in islice(unknown, NAMED))
    more = ", …" if len(unknown) > NAMED else ""
    what = "character" if len(unknown) == 1 else "different characters"
    raise TokenizerError(
        f"{dataset.name} has {len(unknown):,} {what} that the {tokenizer.kind} tokenizer of "
        f"{source} does not know, in {unknown.total():,} of {len(dataset.contents):,} places: "
        f"{first}{more}\n"
        f"Take another text, or start from a model with --tokenizer byte or bpe, which know all"
    )


def note_of_unknown_words(tokenizer: Tokenizer, dataset: Dataset) -> str | None:
    """A line that states what share of a text's words becomes "<unk>"; None if all are known.

    A punctuation mark counts as a word, white space does not.
    """
    unknown = tokenizer.unknown_words(dataset.contents)
    if not unknown:
        return None
    words = sum(not piece.isspace() for piece in split_words(dataset.contents))
    return (
        f"warning: the word tokenizer does not know {unknown.total() / words:.1%} of the words of "
        f"this text: {unknown.total():,} of {words:,} become {UNKNOWN}, which is easy to predict"
    )
