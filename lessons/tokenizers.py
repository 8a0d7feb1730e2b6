"""The four tokenizers, on one text and on a whole corpus: python -m lessons.tokenizers

First --text as tokens; then what the corpus becomes in each. Standard output is the result.
"""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType
from rich.table import Table

from lessons.command import command
from lessons.printing import table_of_numbers, tokens_over_ids
from shared.commands.next_tokens import SPACE, show_token
from shared.commands.options import DatasetName, UsageError
from shared.commands.terminal import escape_controls, same_output_everywhere, say
from shared.text.datasets import Dataset, encode_dataset, fit_tokenizer, load_dataset
from shared.text.tokenizers import TOKENIZERS, Tokenizer, split_words

TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Options:
    dataset: DatasetName = "auto"
    """auto: tinyshakespeare if available, otherwise playlets. FILE: any UTF-8 text."""
    text: str = "Hello, naïve king of 42 zebras 🦓"
    """The text of the lesson."""


@command
def main(options: Options) -> int:
    if not options.text:
        raise UsageError("the text is empty: there is nothing to cut into tokens")
    dataset = load_dataset(options.dataset)
    tokenizers = {kind: fit_tokenizer(dataset, kind) for kind in TOKENIZERS}
    corpus = {kind: column(dataset, tokenizers[kind]) for kind in TOKENIZERS}
    same_output_everywhere()
    say(f"data: {dataset.note}")
    out = Console(highlight=False)
    for line in lesson(tokenizers, options.text):
        out.print(line, markup=False, soft_wrap=True)
    out.print()
    out.print(measured(corpus))
    out.print(f"\n{TEXTS['explanation']}", markup=False)
    return 0


def lesson(tokenizers: Mapping[str, Tokenizer], text: str) -> Iterator[RenderableType]:
    """The lines of the lesson. Raises `TokenizerError` if the text is not valid Unicode."""
    tokenizers["byte"].check(text)
    yield f"The text: {escape_controls(text)}"
    yield f"{len(text):,} characters, {len(text.encode()):,} bytes of UTF-8 ({SPACE} is a space)"
    for kind, tokenizer in tokenizers.items():
        refused = tokenizer.unknown_characters(text)
        known = "".join(character for character in text if character not in refused)
        ids = tokenizer.encode(known)
        yield ""
        yield f"{kind}: {TEXTS[kind]}"
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


def column(dataset: Dataset, tokenizer: Tokenizer) -> dict[str, str]:
    """The measurements of a corpus in one tokenizer, by row of the table: its size, and what is
    lost of the validation text. Raises as `encode_dataset` does."""
    data, text = encode_dataset(dataset, tokenizer, block_size=1), str(dataset.parts[1])
    known = data.val[data.val != 0] if tokenizer.kind == "word" else data.val  # <unk> has id 0
    words = sum(map(_is_word, split_words(text)))
    unknown = tokenizer.unknown_words(text).items()
    lost = sum(count for piece, count in unknown if _is_word(piece))
    return {
        "vocabulary": f"{tokenizer.vocab_size:,}",
        "tokens in the corpus": f"{len(data.train) + len(data.val):,}",
        "on the validation text:": "",
        "tokens per word": f"{len(data.val) / words:.2f}" if words else "no words",
        "bytes per token": f"{data.bytes_per_token:.2f}",
        "unknown words": _share(lost / max(1, words)),
        "characters that survive": _share(len(tokenizer.decode(known)) / len(text)),
    }


def _is_word(piece: str) -> bool:
    """A run of letters, digits and underscores."""
    return any(character.isalnum() or character == "_" for character in piece)


def measured(corpus: Mapping[str, Mapping[str, str]]) -> Table:
    table = table_of_numbers("", *corpus, title="The corpus in four tokenizers")
    for row in corpus["byte"]:
        cells = [each[row] for each in corpus.values()]
        if not any(cells):
            table.add_section()
        table.add_row(row, *cells)
    return table


def _share(share: float) -> str:
    return {0.0: "none", 1.0: "all"}.get(share, f"{100 * share:.2f} %")


if __name__ == "__main__":
    sys.exit(main())
