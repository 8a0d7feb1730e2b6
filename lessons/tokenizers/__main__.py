"""The four tokenizers, on one text and on a whole corpus: python -m lessons.tokenizers

First the lesson: --text as tokens. Then the showdown: the preset's GPT is trained on the tokens of
each, one after another, each in a separate process. Standard output is the result.
"""

import sys
from dataclasses import dataclass, replace

from rich.console import Console

from lessons.command import TrainingOptions, command
from lessons.tokenizers.lesson import lesson
from lessons.tokenizers.showdown import encode_corpus, explanation, showdown, train_on
from shared.commands.options import BackendName, UsageError
from shared.commands.terminal import same_output_everywhere, say
from shared.config import GPTConfig, load_preset
from shared.errors import ConfigError
from shared.protocol import load_backend
from shared.text.datasets import fit_tokenizer, load_dataset
from shared.text.tokenizers import TOKENIZERS


@dataclass(frozen=True)
class Options(TrainingOptions):
    """The texts, and how long to train on them."""

    text: str = "Hello, naïve king of 42 zebras 🦓"
    """The text of the lesson."""
    steps: int = 400
    """Optimizer steps on the tokens of each tokenizer. 0: no training."""
    backend: BackendName = "torch"
    """The backend to train with."""


@command
def main(options: Options) -> int:
    """Compare as the options ask. Returns the exit status."""
    if not options.text:
        raise UsageError("the text is empty: there is nothing to cut into tokens")
    if options.steps < 0:
        raise ConfigError(f"steps is {options.steps}; it must be 0 (no training) or more")
    preset, dataset = load_preset(options.preset), load_dataset(options.dataset)
    block_size = 1  # if nothing is trained, any text will do
    if options.steps:
        train = replace(preset.train, steps=options.steps, seed=options.seed)
        preset = replace(preset, train=train)
        block_size = GPTConfig(**(preset.model | {"vocab_size": 1})).block_size
        load_backend(options.backend)  # check the dataset before printing anything
    tokenizers = {kind: fit_tokenizer(dataset, kind) for kind in TOKENIZERS}
    corpus = {kind: encode_corpus(dataset, tokenizers[kind], block_size) for kind in TOKENIZERS}
    same_output_everywhere()
    say(f"data: {dataset.note}")
    out = Console(highlight=False)
    for line in lesson(tokenizers, options.text):
        out.print(line, markup=False, soft_wrap=True)
    trained = {}
    for kind in TOKENIZERS if options.steps else ():
        say(f"training on {kind}: {options.steps:,} steps")
        trained[kind] = train_on(corpus[kind], tokenizers[kind], preset, options.backend)
    sizes = {kind: tokenizer.vocab_size for kind, tokenizer in tokenizers.items()}
    out.print()
    out.print(showdown(sizes, corpus, trained))
    for paragraph in explanation(corpus, preset if trained else None):
        out.print(f"\n{paragraph}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
