"""One corpus in four tokenizers: how many tokens it becomes, and what is lost."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from lessons.printing import table_of_numbers
from shared.text.datasets import Dataset, TokenData, encode_dataset
from shared.text.tokenizers import Tokenizer, split_words

EXPLANATION = """\
A word is a run of letters and digits; the text between them makes tokens, too. Char knows the \
characters of the whole corpus, word and bpe have learned from the training text alone.

The fewer tokens a text becomes, the more of it fits into a model's window, and the more each of \
them has to guess. So compare trained models in bits per byte, never in nats per token; and not \
those of words, because <unk> is easy to guess: the words themselves never are."""


@dataclass(frozen=True)
class Encoded:
    """A corpus in one tokenizer, and what is lost of the validation text."""

    vocab_size: int
    data: TokenData
    words: int
    """The number of words: runs of letters, digits and underscores."""
    unknown_words: int
    """How many of them become "<unk>"."""
    covered: float
    """Share of the characters that survive encoding and decoding."""


def encode_corpus(dataset: Dataset, tokenizer: Tokenizer) -> Encoded:
    """Encode a dataset and measure what is lost. Raises as `encode_dataset` does."""
    data, text = encode_dataset(dataset, tokenizer, block_size=1), str(dataset.parts[1])
    known = data.val[data.val != 0] if tokenizer.kind == "word" else data.val  # <unk> has id 0
    unknown = tokenizer.unknown_words(text).items()
    return Encoded(
        vocab_size=tokenizer.vocab_size,
        data=data,
        words=sum(map(_is_word, split_words(text))),
        unknown_words=sum(count for piece, count in unknown if _is_word(piece)),
        covered=len(tokenizer.decode(known)) / len(text),
    )


def _is_word(piece: str) -> bool:
    return any(character.isalnum() or character == "_" for character in piece)


def measured(corpus: Mapping[str, Encoded]) -> Table:
    """The measurements, one tokenizer per column."""
    table = table_of_numbers("", *corpus, title="The corpus in four tokenizers")
    every = corpus.values()
    table.add_row("vocabulary", *(f"{c.vocab_size:,}" for c in every))
    tokens = (f"{len(c.data.train) + len(c.data.val):,}" for c in every)
    table.add_row("tokens in the corpus", *tokens)
    table.add_section()
    table.add_row("on the validation text:", *[""] * len(corpus))
    per_word = (f"{len(c.data.val) / c.words:.2f}" if c.words else "no words" for c in every)
    table.add_row("tokens per word", *per_word)
    table.add_row("bytes per token", *(f"{c.data.bytes_per_token:.2f}" for c in every))
    table.add_row("unknown words", *(_share(c.unknown_words / max(1, c.words)) for c in every))
    table.add_row("characters that survive", *(_share(c.covered) for c in every))
    return table


def _share(share: float) -> str:
    return {0.0: "none", 1.0: "all"}.get(share, f"{100 * share:.2f} %")
