"""A guided walk of one text through a model: `python -m lessons.walk --text "The cat sat"`.

Everything it shows comes from `Model.trace`: the named values of the forward pass, in the order of
the data flow, with shapes, numbers, and a sentence about each of them.
"""

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int
from rich.padding import Padding
from rich.text import Text
from tyro.conf import FlagCreatePairsOff

from lessons.command import ModelOptions, build_model, command
from lessons.printing import Lesson, tokens_over_ids
from shared.checkpoints.checkpoint import Checkpoint
from shared.commands.next_tokens import SPACE, next_token_table, next_tokens, show_token
from shared.commands.options import BackendName, UsageError, default_run
from shared.commands.sample import encode_prompt
from shared.commands.terminal import same_output_everywhere
from shared.commands.trained import load_trained
from shared.config import GPTConfig, SampleConfig, load_preset
from shared.errors import RunError
from shared.layout import init_weights
from shared.taps import tap_names
from shared.text.tokenizers import Tokenizer, build_tokenizer

TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Options(ModelOptions):
    backend: BackendName = "numpy"
    """The backend to compute with."""
    text: str = "The cat sat"
    """The text. The model sees its last block_size tokens."""
    untrained: FlagCreatePairsOff[bool] = False
    """Fresh initial weights instead of a run; tokens are the characters of the text."""


@command
def main(options: Options) -> int:
    subject, checkpoint, tokenizer = (_untrained if options.untrained else _trained)(options)
    config = checkpoint.config
    ids = encode_prompt(tokenizer, options.text, config.block_size)[-config.block_size :]
    model = build_model(options, checkpoint)
    trace = model.trace(ids[None])
    same_output_everywhere()
    lesson = Lesson()
    dtype = options.dtype or checkpoint.dtype
    lesson.say(f"A walk through {subject}, computed by {options.backend} in {dtype}.")
    show_tokens(lesson, [show_token(tokenizer, token) for token in ids.tolist()], ids)
    show_values(lesson, config, trace)
    lesson.heading("The next token")
    lesson.show(next_token_table(tokenizer, next_tokens(model, ids, SampleConfig()), 10))
    lesson.look(TEXTS["next"].format(1 / config.vocab_size))
    return 0


def _trained(options: Options) -> tuple[str, Checkpoint, Tokenizer]:
    run = options.run or default_run(options.backend)
    try:
        checkpoint, tokenizer = load_trained(options.backend, run)
    except RunError as error:
        raise RunError(f"{error}\nor use fresh weights: --untrained") from None
    steps = f" after {checkpoint.training.step:,} steps" if checkpoint.training else ""
    return f"the model in {run}{steps}", checkpoint, tokenizer


def _untrained(options: Options) -> tuple[str, Checkpoint, Tokenizer]:
    if options.run is not None:
        raise UsageError("--untrained uses fresh weights; omit --run")
    tokenizer, preset = build_tokenizer("char", options.text), load_preset()
    config = GPTConfig(**(preset.model | {"vocab_size": tokenizer.vocab_size}))
    weights = init_weights(config, preset.train.seed)
    checkpoint = Checkpoint(config, weights, "float32", tokenizer, training=None, moments=None)
    return f"an untrained {preset.name}", checkpoint, tokenizer


def show_tokens(lesson: Lesson, labels: list[str], ids: Int[np.ndarray, " T"]) -> None:
    """The tokens that the model gets instead of characters."""
    lesson.heading("From text to tokens")
    lesson.say(TEXTS["tokens"].format(T=len(ids), space=SPACE))
    places = [f"{t}\n{label}" for t, label in enumerate(labels)]
    lesson.show(tokens_over_ids(["position\ntoken", *places], ["id", *ids.tolist()]))


def show_values(lesson: Lesson, config: GPTConfig, trace: Mapping[str, np.ndarray]) -> None:
    """All values of a trace, B = 1, in the order of the data flow; each kind explained once."""
    lesson.heading("Through the model")
    heads = "heads" if config.n_head > 1 else "head"
    lesson.say(TEXTS["values"].format(config, T=trace["embed"].shape[1], heads=heads))
    sentences, width = tap_sentences(config), max(map(len, trace))
    for name in tap_names(config):
        value = trace[name]
        at_last = (value[0, 0] if value.ndim == 4 else value[0])[-1]
        first = " ".join(map(_three_digits, at_last[:3].tolist()))
        more = " …" if len(at_last) > 3 else ""
        mean, spread = value.mean(dtype=np.float64), value.std(dtype=np.float64)
        line = Text(f"{name:<{width}}", "bold", no_wrap=True, overflow="ellipsis")
        numbers = f"{_three_digits(mean)} ± {spread:<6.3f} {first}{more}"
        line.append(f" {list(value.shape)!s:<15} {numbers}", "not bold")
        lesson.show(line)
        if sentence := sentences.pop(kind_of(name), None):
            lesson.show(Padding(sentence, (0, 0, 0, 4), expand=False))


def kind_of(tap: str) -> str:
    """A tap's name without the number of its block: "attn.q" for "h.3.attn.q", "h" for "h.3"."""
    return re.sub(r"^h\.\d+\.?", "", tap) or "h"


def tap_sentences(config: GPTConfig) -> dict[str, str]:
    """The explanation of every tap of such a model, by its kind."""
    learned, relu = config.position == "learned", config.activation == "relu"
    words = {
        "position": "its row of wpe" if learned else "sines and cosines of it",
        "activation": config.activation,
        "passes": "nothing negative" if relu else "little that is negative",
        "last": "ln_f" if config.norm == "pre" else "The last ln_2",
        "head": "wteᵀ, for the embedding serves twice" if config.tie_weights else "lm_headᵀ",
    }
    sentences = TEXTS["all"] | TEXTS[config.norm]
    return {tap: sentence.format_map(words) for tap, sentence in sentences.items()}


def _three_digits(value: float) -> str:
    """With this many decimals, and never −0.000."""
    return f"{round(value, 3) + 0.0:7.3f}"


if __name__ == "__main__":
    sys.exit(main())
