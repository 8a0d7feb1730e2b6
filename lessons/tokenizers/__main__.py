"""The four tokenizers, on one text and on a whole corpus: python -m lessons.tokenizers

First --text as tokens; then what the corpus becomes in each. Standard output is the result.
"""

import sys
from dataclasses import dataclass
from typing import Annotated

from rich.console import Console
from tyro.conf import arg

from lessons.command import command
from lessons.tokenizers.corpus import EXPLANATION, encode_corpus, measured
from lessons.tokenizers.lesson import lesson
from shared.commands.options import UsageError
from shared.commands.terminal import same_output_everywhere, say
from shared.text.datasets import DATASETS, fit_tokenizer, load_dataset
from shared.text.tokenizers import TOKENIZERS


@dataclass(frozen=True)
class Options:
    """The texts."""

    dataset: Annotated[str, arg(metavar="|".join((*DATASETS, "FILE")))] = "auto"
    """auto: tinyshakespeare if available, otherwise playlets. FILE: any UTF-8 text."""
    text: str = "Hello, naïve king of 42 zebras 🦓"
    """The text of the lesson."""


@command
def main(options: Options) -> int:
    """Compare as the options ask. Returns the exit status."""
    if not options.text:
        raise UsageError("the text is empty: there is nothing to cut into tokens")
    dataset = load_dataset(options.dataset)
    tokenizers = {kind: fit_tokenizer(dataset, kind) for kind in TOKENIZERS}
    corpus = {kind: encode_corpus(dataset, tokenizers[kind]) for kind in TOKENIZERS}
    same_output_everywhere()
    say(f"data: {dataset.note}")
    out = Console(highlight=False)
    for line in lesson(tokenizers, options.text):
        out.print(line, markup=False, soft_wrap=True)
    out.print()
    out.print(measured(corpus))
    out.print(f"\n{EXPLANATION}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
