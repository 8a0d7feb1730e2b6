"""Writing text: from a prompt and a model to a stream of characters."""

import sys
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import takewhile

from shared.commands.terminal import escape_controls
from shared.config import SampleConfig
from shared.protocol import Model
from shared.text.tokenizers import Tokenizer

SEPARATOR = "---"
"""The line between one sample and the next."""


def sample_texts(
    model: Model,
    tokenizer: Tokenizer,
    prompt: str,
    config: SampleConfig,
    count: int,
    end_of_text: Container[int] = (),
) -> Iterator[Iterator[str]]:
    """`count` texts, each in pieces as they come, up to a token that ends it. The prompt is not
    repeated.

    Raises:
        TokenizerError: the prompt has a character that the tokenizer does not know.
    """
    ids = tokenizer.encode(prompt)
    for i in range(count):
        tokens = model.generate(ids, replace(config, seed=config.seed + i))
        yield tokenizer.decode_stream(takewhile(lambda token: token not in end_of_text, tokens))


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
