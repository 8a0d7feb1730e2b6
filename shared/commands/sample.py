"""The command `sample`, the same for every backend: `python -m impls.NAME.sample`.

It writes text from a prompt, or shows what may come next, or how well a model predicts a text.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
from jaxtyping import Int

from shared.commands import terminal
from shared.commands.next_tokens import show_next_tokens
from shared.commands.options import SampleOptions, UsageError, parse_sample
from shared.commands.trained import load_trained, note_special_tokens
from shared.errors import TokenizerError
from shared.protocol import Model, load_backend
from shared.runs.loop import evaluate
from shared.text.datasets import load_dataset
from shared.text.tokenizers import UNKNOWN, Tokenizer

SEPARATOR = "---"
"""The line between one sample and the next."""
ROWS = 1
"""Windows that are evaluated together. GPT-2's logits for a single one take 200 MB."""


def sample_main(backend: str, argv: Sequence[str] | None = None) -> int:
    """Write text with a trained model as the command line says. Returns the exit status."""
    return terminal.run_command(lambda: _sample(backend, argv))


def _sample(backend: str, argv: Sequence[str] | None) -> int:
    options = parse_sample(backend, argv)
    checkpoint, tokenizer = load_trained(backend, options.run)
    ids = np.empty(0, np.int64)
    if options.perplexity is None:
        ids = encode_prompt(tokenizer, options.prompt, checkpoint.config.block_size)
    how: Any = {"dtype": options.dtype or checkpoint.dtype, "device": options.device}
    model = load_backend(backend).build(checkpoint.config, checkpoint.weights, **how)
    terminal.same_output_everywhere()
    if options.perplexity is not None:
        show_perplexity(model, tokenizer, options.perplexity)
        return terminal.OK
    if options.top is not None:
        show_next_tokens(model, tokenizer, ids, options.sampling, options.top)
        return terminal.OK
    write_samples(sample_texts(model, tokenizer, ids, options), options.prompt)
    return terminal.OK


def encode_prompt(tokenizer: Tokenizer, prompt: str, block_size: int) -> Int[np.ndarray, " T0"]:
    """All ids of a prompt. Prints notes about what the model cannot see or does not know.

    Raises:
        UsageError: it has no tokens.
        TokenizerError: it has a character that the tokenizer does not know.
    """
    try:
        ids = tokenizer.encode(prompt)
    except TokenizerError as error:
        raise TokenizerError(f"the prompt {prompt!r} cannot be encoded: {error}") from None
    if not ids.size:
        raise UsageError("the prompt is empty: there is no token to go on from")
    if unknown := list(tokenizer.unknown_words(prompt)):
        terminal.say(
            f"note: the tokenizer does not know {', '.join(map(repr, unknown))}: read as {UNKNOWN}"
        )
    note_special_tokens(tokenizer, prompt, "the prompt")
    if ids.size > block_size:
        terminal.say(
            f"note: the prompt has {ids.size} tokens; the model sees only the last "
            f"{block_size} of them (block_size)"
        )
    return ids


def sample_texts(
    model: Model, tokenizer: Tokenizer, ids: Int[np.ndarray, " T0"], options: SampleOptions
) -> Iterator[Iterator[str]]:
    """The texts that follow the prompt `ids`, each in pieces as they are generated, up to a token
    that ends it. The prompt is not repeated."""
    config, ends = options.sampling, () if options.ignore_eos else tokenizer.end_of_text
    for i in range(options.num_samples):
        tokens = model.generate(ids, replace(config, seed=config.seed + i))
        yield tokenizer.decode_stream(takewhile(lambda token: token not in ends, tokens))


def write_samples(samples: Iterator[Iterator[str]], prompt: str) -> None:
    """Print prompt and text of every sample as it comes, then a newline; `SEPARATOR` between them.

    On a terminal, control characters appear in Python's spelling, so that no model can control it;
    any other output receives exactly what the model wrote.
    """
    out = sys.stdout
    show = terminal.escape_controls if out.isatty() else str
    for i, pieces in enumerate(samples):
        out.write(f"{SEPARATOR}\n" if i else "")
        out.write(show(prompt))
        for piece in pieces:
            out.write(show(piece))
            out.flush()
        out.write("\n")
        out.flush()


def show_perplexity(model: Model, tokenizer: Tokenizer, file: str) -> None:
    """Print the perplexity of a text: exp of the mean loss over all of its tokens but the first.

    The text is cut into adjacent windows of block_size: the first tokens of each have little
    context, so a model with a longer window has an easier task. Values per token cannot be compared
    across tokenizers; bits per byte can.

    Raises:
        DatasetError: the text is unavailable.
        TokenizerError: it has a character that the tokenizer does not know.
        UsageError: it has fewer than two tokens.
    """
    text = load_dataset(file).contents
    ids = tokenizer.encode(text)
    note_special_tokens(tokenizer, text, file)
    if len(ids) < 2:
        raise UsageError(f"{file} has {len(ids)} token; perplexity needs 2 or more")
    with terminal.announced(f"reading {len(ids):,} tokens"):
        loss = evaluate(model, ids, ROWS)
    size = len(text.encode()) - tokenizer.first_token_bytes(text)
    bits = loss * (len(ids) - 1) / math.log(2) / size
    print(
        f"perplexity {math.exp(loss):.4f}: {loss:.6f} nats per token over {len(ids) - 1:,} tokens, "
        f"{bits:.4f} bits per byte"
    )
