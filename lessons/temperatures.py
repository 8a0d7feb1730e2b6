"""One prompt at several temperatures: python -m lessons.temperatures --prompt "ROMEO:"

Temperature divides the logits before the softmax. Below 1 the likely tokens become likelier still,
and at 0 only the most likely is left; above 1 the differences shrink, until the text is
random. Every text is drawn with the same random numbers: only the temperature differs.
"""

import math
import sys
from dataclasses import dataclass
from itertools import chain

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.markup import escape

from lessons.command import ModelOptions, build_model, command
from shared.commands.next_tokens import entropy, next_tokens, show_token
from shared.commands.options import UsageError
from shared.commands.sample import encode_prompt
from shared.commands.terminal import escape_controls, same_output_everywhere
from shared.commands.trained import load_trained
from shared.config import SampleConfig


@dataclass(frozen=True)
class Options(ModelOptions):
    """What to write."""

    prompt: str = "\n"
    """The text to continue. The model sees its last block_size tokens."""
    temperatures: tuple[float, ...] = (0.0, 0.5, 1.0, 1.5)
    """One text for each."""
    max_new_tokens: int = 120
    """Tokens to write after the prompt."""
    seed: int = 1
    """Seed of the random numbers, the same for all temperatures."""


@command
def main(options: Options) -> int:
    """Write as the options ask. Returns the exit status."""
    if not options.temperatures:
        raise UsageError("name a temperature or more: --temperatures 0 0.5 1 1.5")
    length, seed = options.max_new_tokens, options.seed
    configs = [SampleConfig(length, heat, seed=seed) for heat in options.temperatures]
    checkpoint, tokenizer = load_trained(options.backend, options.where)
    ids = encode_prompt(tokenizer, options.prompt, checkpoint.config.block_size)
    model = build_model(options, checkpoint, needs="generate")
    same_output_everywhere()
    out = Console(highlight=False)
    V = tokenizer.vocab_size
    out.print(
        "Read downwards: the colder, the more a text repeats itself; the hotter, the fewer of its "
        "words exist.\nBeside each temperature is the entropy of the first token, in bits: 0 is no "
        f"choice at all, {math.log2(V):.2f} a choice among all {V:,} tokens alike.",
        soft_wrap=True,
    )
    for config in configs:
        p: Float[np.ndarray, " V"] = next_tokens(model, ids, config).drawn_from
        likely = int(p.argmax())
        out.print(
            f"\n[bold]--- temperature {config.temperature:g}[/]   {entropy(p):.2f} bits; most "
            f"likely: {escape(show_token(tokenizer, likely))} ({p[likely]:.2f})",
            soft_wrap=True,
        )
        pieces = tokenizer.decode_stream(model.generate(ids, config))
        for piece in chain([options.prompt], pieces):
            out.print(escape_controls(piece), markup=False, end="", soft_wrap=True)
        out.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
