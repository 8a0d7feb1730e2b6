"""A guided walk of one text through a model: `python -m lessons.walk --text "The cat sat"`.

Everything it shows comes from `Model.trace`: the named values of the forward pass, in the order of
the data flow, with shapes, numbers, and a sentence about each of them.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from tyro.conf import FlagCreatePairsOff

from lessons.command import ModelOptions, build_model, command
from lessons.printing import Lesson, tokens_over_ids
from shared.checkpoints.checkpoint import Checkpoint
from shared.commands.next_tokens import SPACE, next_token_table, next_tokens, show_token
from shared.commands.options import BackendName, UsageError
from shared.commands.sample import encode_prompt
from shared.commands.terminal import same_output_everywhere
from shared.commands.trained import load_trained
from shared.config import GPTConfig, SampleConfig, load_preset
from shared.errors import RunError
from shared.layout import init_weights
from shared.taps import tap_names
from shared.text.tokenizers import Tokenizer, build_tokenizer

TOP = 10
"""The number of next tokens to list."""
LABEL = 6
"""The most columns that a token may take beside the triangle of weights."""


@dataclass(frozen=True)
class Options(ModelOptions):
    """The text and the model, and the parts to show in detail."""

    backend: BackendName = "numpy"
    """The backend to compute with."""
    text: str = "The cat sat"
    """The text. The model sees its last block_size tokens."""
    layer: int = 0
    """The block to show value by value; the others get a line each."""
    head: int = 0
    """The attention head to show the weights of."""
    untrained: FlagCreatePairsOff[bool] = False
    """Fresh initial weights instead of a run; tokens are the characters of the text."""


@command
def main(options: Options) -> int:
    """Walk as the options ask. Returns the exit status."""
    subject, checkpoint, tokenizer = (_untrained if options.untrained else _trained)(options)
    config = checkpoint.config
    check_exists("layer", options.layer, config.n_layer)
    check_exists("head", options.head, config.n_head)
    ids = encode_prompt(tokenizer, options.text, config.block_size)[-config.block_size :]
    model = build_model(options, checkpoint, needs="trace")
    labels = [show_token(tokenizer, token) for token in ids.tolist()]
    walk = Walk(config, model.trace(ids[None]), labels, options.layer, options.head)
    same_output_everywhere()
    dtype = options.dtype or checkpoint.dtype
    walk.lesson.say(f"A walk through {subject}, computed by {options.backend} in {dtype}.")
    walk.show_tokens(ids)
    walk.show_values()
    walk.lesson.heading("The next token")
    walk.lesson.show(next_token_table(tokenizer, next_tokens(model, ids, SampleConfig()), TOP))
    walk.lesson.look(
        f"the probabilities: guessing would give every token 1/V = {1 / config.vocab_size:.4f}. "
        "The last row of probs is all that writing needs: one token is drawn from it, put after "
        "the text, and the walk begins again."
    )
    return 0


def _trained(options: Options) -> tuple[str, Checkpoint, Tokenizer]:
    try:
        checkpoint, tokenizer = load_trained(options.backend, options.where)
    except RunError as error:
        raise RunError(f"{error}\nor use fresh weights: --untrained") from None
    steps = f" after {checkpoint.training.step:,} steps" if checkpoint.training else ""
    return f"the model in {options.where}{steps}", checkpoint, tokenizer


def _untrained(options: Options) -> tuple[str, Checkpoint, Tokenizer]:
    if options.run is not None:
        raise UsageError("--untrained uses fresh weights; omit --run")
    tokenizer, preset = build_tokenizer("char", options.text), load_preset()
    config = GPTConfig(**(preset.model | {"vocab_size": tokenizer.vocab_size}))
    weights = init_weights(config, preset.train.seed)
    checkpoint = Checkpoint(config, weights, "float32", tokenizer, training=None, moments=None)
    return f"an untrained {preset.name}", checkpoint, tokenizer


def check_exists(what: str, index: int, count: int) -> None:
    """Raises `UsageError` for a layer or head that the model does not have."""
    if not 0 <= index < count:
        have = "only 0" if count == 1 else f"0 to {count - 1}"
        raise UsageError(f"there is no {what} {index}; this model has {have}")


@dataclass
class Walk:
    """One text's trace, printed part by part."""

    config: GPTConfig
    trace: Mapping[str, np.ndarray]
    """What `Model.trace` gave for the text, B = 1."""
    labels: list[str]
    """The text's tokens, fit to be shown."""
    layer: int
    """The block that is shown value by value."""
    head: int
    """The head whose numbers are shown."""

    def __post_init__(self) -> None:
        self.lesson = Lesson()
        self.sentences = tap_sentences(self.config)

    def show_tokens(self, ids: Int[np.ndarray, " T"]) -> None:
        """The tokens that the model gets instead of characters."""
        self.lesson.heading("From text to tokens")
        self.lesson.say(
            f"The tokenizer cuts the text into T = {len(ids)} tokens ({SPACE} is a space). The "
            "model never sees a character, only each token's number, its id."
        )
        places = [f"{t}\n{label}" for t, label in enumerate(self.labels)]
        rows = ["position\ntoken", *places], ["id", *ids.tolist()]
        self.lesson.show(tokens_over_ids(*rows))

    def show_values(self) -> None:
        """All values in the order of the data flow, from the embedding to the probabilities."""
        config, lesson = self.config, self.lesson
        of_head = "" if config.n_head == 1 else f", of head {self.head} where there are heads"
        lesson.heading("Into the model")
        lesson.say(
            f"B = 1 text, T = {len(self.labels)} tokens, C = {config.n_embd} channels, "
            f"H = {config.n_head} head{'s' * (config.n_head > 1)} of D = {config.head_size}, "
            f"F = {config.inner_size}, "
            f"V = {config.vocab_size:,} different tokens. A line has a value's name and shape, the "
            "mean and spread (standard deviation) of all its numbers, and the first three at the "
            f"last position, the one that predicts{of_head}."
        )
        names, block = tap_names(config), f"h.{self.layer}"
        inside = [name for name in names if name.startswith(f"{block}.")]
        for name in names:
            if name == inside[0]:
                lesson.heading(f"Block {self.layer}, value by value")
            if name in inside or kind_of(name) in ("h", name):  # not inside of another block
                self._show_value(name)
            if name == block:
                self._show_block(block)
                lesson.heading(f"After block {self.layer}")

    def _show_block(self, block: str) -> None:
        """What the block's halves add to the stream, and its attention weights."""
        lesson = self.lesson
        before = f"h.{self.layer - 1}" if self.layer else "embed"
        values = (before, f"{block}.attn", f"{block}.mlp")
        stream, attn, mlp = (np.linalg.norm(self.trace[name][0, -1]) for name in values)
        lesson.look(
            f"attn and mlp, what the block adds. At the last position the stream came in as a "
            f"vector of length {stream:.3g}; attention adds one of length {attn:.3g} and the MLP "
            f"one of length {mlp:.3g}."
        )
        lesson.heading(f"Who looks at whom: {block}.attn.weights, head {self.head}, in percent")
        weights = self.trace[f"{block}.attn.weights"][0, self.head]
        lesson.show(attention_triangle(weights, self.labels, lesson.console.width - 2))
        last = weights[-1]
        best = int(last.argmax())
        lesson.look(
            "a row: from where its token gathers. A whole row sums to 100. Right of the diagonal "
            "is the future, which has no weight at all. The last row, that of the token which "
            f'predicts, gathers most from "{self.labels[best]}" at position {best}: '
            f"{last[best]:.0%}, where an even share would be {1 / len(last):.0%}."
        )

    def _show_value(self, name: str) -> None:
        """A value's line, and an explanation at the first value of its kind."""
        value = self.trace[name]
        at_last = (value[0, self.head] if value.ndim == 4 else value[0])[-1]
        first = " ".join(map(_three_digits, at_last[:3].tolist()))
        more = " …" if len(at_last) > 3 else ""
        mean, spread = value.mean(dtype=np.float64), value.std(dtype=np.float64)
        width = max(map(len, self.trace))
        line = Text(f"{name:<{width}}", "bold", no_wrap=True, overflow="ellipsis")
        numbers = f"{_three_digits(mean)} ± {spread:<6.3f} {first}{more}"
        line.append(f" {list(value.shape)!s:<15} {numbers}", "not bold")
        self.lesson.show(line)
        if sentence := self.sentences.pop(kind_of(name), None):
            self.lesson.show(Padding(sentence, (0, 0, 0, 4), expand=False))


def kind_of(tap: str) -> str:
    """A tap's name without the number of its block: "attn.q" for "h.3.attn.q", "h" for "h.3"."""
    if not tap.startswith("h."):
        return tap
    _, _, part = tap.removeprefix("h.").partition(".")
    return part or "h"


def tap_sentences(config: GPTConfig) -> dict[str, str]:
    """The explanation of every tap of such a model, by its kind."""
    where = "its row of wpe" if config.position == "learned" else "sines and cosines of it"
    passes = "nothing negative" if config.activation == "relu" else "little that is negative"
    head = "wteᵀ, for the embedding serves twice" if config.tie_weights else "lm_headᵀ"
    last = "ln_f" if config.norm == "pre" else "The last ln_2"
    normalised = "every position brought to mean 0 and variance 1, then scaled and shifted as"
    if config.norm == "pre":
        of_norm = {
            "ln_1": f"A copy of the stream, {normalised} learned. Attention reads this.",
            "ln_2": "A copy of the stream + attn, normalised likewise. The MLP reads this.",
            "h": "The stream after the block: what came in + attn + mlp.",
            "ln_f": "The stream, normalised a last time.",
        }
    else:
        of_norm = {
            "ln_1": f"The stream + attn, {normalised} learned: the stream from here on.",
            "ln_2": "The stream + mlp, normalised likewise: the stream from here on.",
            "h": "The stream after the block, which is ln_2.",
        }
    return of_norm | {
        "embed": f"What each token is (its row of wte) plus its position ({where}): the stream.",
        "attn.q": "Queries: what each position looks for.",
        "attn.k": "Keys: what each position can be found by.",
        "attn.v": "Values: what each position gives to those that find it.",
        "attn.scores": "q · k / √D: how well every query fits every key, before the mask.",
        "attn.weights": "softmax of the scores, the future masked: rows sum to 1.",
        "attn.y": "weights @ v: for each position a mean of values, head beside head.",
        "attn": "y mixed across the heads by c_proj: what attention adds to the stream.",
        "mlp.fc": "Every position for itself, widened from C to F.",
        "mlp.act": f"The same through {config.activation}, which lets {passes} pass.",
        "mlp": "Narrowed to C again: what the MLP adds to the stream.",
        "logits": f"{last} @ {head}: at every position, a score for each of the V tokens.",
        "probs": "softmax of the logits: at every position, how likely each token is to be next.",
    }


def attention_triangle(weights: Float[np.ndarray, "T T"], labels: list[str], width: int) -> Table:
    """Weights in percent, queries down, keys across; the future is empty, the largest is bold.

    Only the last positions are shown if all do not fit into `width` columns.
    """
    short = [Text(label) for label in labels]
    for label in short:
        label.truncate(LABEL, overflow="ellipsis")
    longest = max(label.cell_len for label in short)
    column = 1 + max(len("100"), longest)
    first = max(0, len(labels) - (width - len(f"{len(labels)} ") - longest) // column)
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("", justify="right")
    table.add_column("")
    for label in short[first:]:
        table.add_column(label, justify="right", width=column - 1)
    for t in range(first, len(labels)):
        best = int(weights[t].argmax())
        row = 100 * weights[t, first : t + 1]
        cells = [Text(f"{w:.0f}", "bold" if s == best else "") for s, w in enumerate(row, first)]
        table.add_row(str(t), short[t], *cells)
    if first:
        table.caption = f"the last {len(labels) - first} positions; more do not fit on the page"
    return table


def _three_digits(value: float) -> str:
    """With this many decimals, and never −0.000."""
    return f"{round(value, 3) + 0.0:7.3f}"


if __name__ == "__main__":
    sys.exit(main())
