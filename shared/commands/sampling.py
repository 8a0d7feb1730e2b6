"""Writing text: from a prompt and a model to a stream of characters."""

import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from shared.config import SampleConfig
from shared.protocol import Model
from shared.text.tokenizers import Tokenizer

SEPARATOR = "---"
"""The line between one sample and the next."""
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
"""Unicode's classes of characters that turn the direction of writing (UAX #9, table 4)."""


def sample_texts(
    model: Model, tokenizer: Tokenizer, prompt: str, config: SampleConfig, count: int
) -> Iterator[Iterator[str]]:
    """`count` texts, each in pieces as they come. The prompt is not repeated.

    Raises:
        TokenizerError: the prompt has a character that the tokenizer does not know.
    """
    ids = tokenizer.encode(prompt)
    for i in range(count):
        tokens = model.generate(ids, replace(config, seed=config.seed + i))
        yield tokenizer.decode_stream(tokens)


def write_samples(samples: Iterator[Iterator[str]], prompt: str) -> None:
    """Print prompt and text of every sample as it comes, then a newline; `SEPARATOR` between them.

    A terminal is shown control characters in their Python spelling, so that no model can command
    it; anything else is given exactly what the model wrote.
    """
    out = sys.stdout
    show = escape_controls if out.isatty() else str
    for i, pieces in enumerate(samples):
        out.write(f"{SEPARATOR}\n" if i else "")
        out.write(show(prompt))
        for piece in pieces:
            out.write(show(piece))
            out.flush()
        out.write("\n")
        out.flush()


def escape_controls(text: str) -> str:
    """`text` with its control characters, but for tab and newline, in Python's spelling.

    So are those that turn the direction of writing: what is shown would not be what is there.
    """
    return "".join(ascii(c)[1:-1] if _commands(c) else c for c in text)


def _commands(c: str) -> bool:
    """Whether a terminal might do something with this character other than show it."""
    if unicodedata.category(c) == "Cc":
        return c not in "\t\n"
    return unicodedata.bidirectional(c) in TURNS
