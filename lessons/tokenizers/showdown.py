"""The showdown: one corpus in four tokenizers, and a model trained on each."""

import math
from dataclasses import dataclass

from rich.table import Table

from lessons.alone import run_alone
from lessons.compare.training import Task, train_backend
from lessons.printing import table_of_numbers
from shared.config import GPTConfig, Preset, SampleConfig
from shared.layout import init_weights
from shared.text.datasets import Dataset, TokenData, encode_dataset
from shared.text.tokenizers import UNKNOWN, Tokenizer, split_words


@dataclass(frozen=True)
class Encoded:
    """A corpus in one tokenizer, and what is lost of the validation text."""

    data: TokenData
    words: int
    """The number of words: runs of letters, digits and underscores."""
    unknown_words: int
    """How many of them become "<unk>"."""
    covered: float
    """Share of the characters that survive encoding and decoding."""

    def bits_per_byte(self, loss: float) -> float:
        """A validation loss, in nats per token, made comparable across tokenizers."""
        return loss / math.log(2) / self.data.bytes_per_token


def encode_corpus(dataset: Dataset, tokenizer: Tokenizer, block_size: int) -> Encoded:
    """Encode a dataset and measure what is lost. Raises as `encode_dataset` does."""
    data, text = encode_dataset(dataset, tokenizer, block_size), str(dataset.parts[1])
    known = data.val[data.val != 0] if tokenizer.kind == "word" else data.val  # <unk> has id 0
    unknown = tokenizer.unknown_words(text).items()
    return Encoded(
        data=data,
        words=sum(map(_is_word, split_words(text))),
        unknown_words=sum(count for piece, count in unknown if _is_word(piece)),
        covered=len(tokenizer.decode(known)) / len(text),
    )


def _is_word(piece: str) -> bool:
    return any(character.isalnum() or character == "_" for character in piece)


def train_on(corpus: Encoded, tokenizer: Tokenizer, preset: Preset, backend: str) -> float:
    """Train the preset's model on one tokenizer's tokens, in a separate process.

    Returns the loss on the whole validation text, in nats per token.

    Raises:
        UserError: the backend cannot be loaded, or its loss is no longer finite.
    """
    config = GPTConfig(**(preset.model | {"vocab_size": tokenizer.vocab_size}))
    weights = init_weights(config, preset.train.seed)
    prompt, nothing = corpus.data.val[:1].astype("int64"), SampleConfig(max_new_tokens=0)
    task = Task(config, weights, preset.train, corpus.data, prompt, nothing)
    return run_alone(train_backend, backend, task).val_loss


def showdown(
    vocabulary: dict[str, int], corpus: dict[str, Encoded], losses: dict[str, float]
) -> Table:
    """The measurements, one tokenizer per column. `losses` is empty if nothing was trained."""
    table = table_of_numbers("", *corpus, title="The showdown on the corpus")

    def row(label: str, values: list[str]) -> None:
        table.add_row(label, *values)

    every = corpus.values()
    row("vocabulary", [f"{size:,}" for size in vocabulary.values()])
    row("tokens in the corpus", [f"{len(c.data.train) + len(c.data.val):,}" for c in every])
    table.add_section()
    row("on the validation text:", [""] * len(corpus))
    row("tokens per word", [_ratio(len(c.data.val), c.words) for c in every])
    row("bytes per token", [f"{c.data.bytes_per_token:.2f}" for c in every])
    row("unknown words", [_share(c.unknown_words / max(1, c.words)) for c in every])
    row("characters that survive", [_share(c.covered) for c in every])
    if losses:
        table.add_section()
        row("after equal training:", [""] * len(corpus))
        row("nats per token", [f"{loss:.4f}" for loss in losses.values()])
        bits = {kind: corpus[kind].bits_per_byte(loss) for kind, loss in losses.items()}
        stars = ["*" if c.covered < 1 else "" for c in every]
        row("bits per byte", [f"{n:.4f}{s}" for n, s in zip(bits.values(), stars, strict=True)])
    return table


def _ratio(numerator: int, denominator: int) -> str:
    return f"{numerator / denominator:.2f}" if denominator else "no words"


def _share(share: float) -> str:
    return {0.0: "none", 1.0: "all"}.get(share, f"{100 * share:.2f} %")


def explanation(corpus: dict[str, Encoded], preset: Preset | None) -> list[str]:
    """How to read the table, in paragraphs. Without a preset nothing was trained."""
    paragraphs = [
        "A word is a run of letters and digits; the text between them makes tokens, too. Char "
        "knows the characters of the whole corpus, word and bpe have learned from the training "
        "text alone."
    ]
    if preset is None:
        return paragraphs
    block_size = GPTConfig(**(preset.model | {"vocab_size": 1})).block_size
    paragraphs += [
        f"Equal training means: the model of {preset.name}, but for the size of its vocabulary, "
        f"for {preset.train.steps:,} steps of {preset.train.batch_size} × {block_size} tokens. So "
        "its blocks do equal work; but the longer the tokens, the more text they see, in every "
        "window and in all.",
        "Do not compare nats per token: to guess a longer token is to guess more text. Compare "
        "bits per byte (lower is better), which is nats per token × tokens / (ln 2 × bytes): all "
        "have to guess the same bytes of validation text.",
    ]
    if any(c.covered < 1 for c in corpus.values()):
        paragraphs.append(
            f"* Flattering: {UNKNOWN} stands for any unknown word, so it is easy to guess and says "
            f"little; the words themselves are never guessed."
        )
    if (floor := corpus["byte"].data.floor) is not None:
        paragraphs.append(
            f"No model can guess all of this text in less than "
            f"{corpus['byte'].bits_per_byte(floor):.4f} bits per byte: the floor, known because "
            f"the text was drawn from a grammar. Only models that omit bytes (*) get below."
        )
    return paragraphs
