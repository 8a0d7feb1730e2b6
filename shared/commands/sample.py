"""The command `sample`, the same for every backend: `python -m impls.NAME.sample`."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from shared.commands.next_tokens import show_next_tokens
from shared.commands.options import UsageError, parse_sample
from shared.commands.perplexity import show_perplexity
from shared.commands.sampling import sample_texts, write_samples
from shared.commands.terminal import OK, run_command, same_output_everywhere, say
from shared.commands.trained import load_trained, note_special_tokens
from shared.errors import TokenizerError
from shared.protocol import load_backend
from shared.text.tokenizers import UNKNOWN, Tokenizer


def sample_main(backend: str, argv: Sequence[str] | None = None) -> int:
    """Write text with a trained model as the command line says. Returns the exit status."""
    return run_command(lambda: _sample(backend, argv))


def _sample(backend: str, argv: Sequence[str] | None) -> int:
    options = parse_sample(backend, argv)
    checkpoint, tokenizer = load_trained(backend, options.run)
    ids = np.empty(0, np.int64)
    if options.perplexity is None:
        ids = encode_prompt(tokenizer, options.prompt, checkpoint.config.block_size)
    model = load_backend(backend).build(
        checkpoint.config,
        checkpoint.weights,
        dtype=options.dtype or checkpoint.dtype,
        device=options.device,
    )
    same_output_everywhere()
    if options.perplexity is not None:
        show_perplexity(model, tokenizer, options.perplexity)
        return OK
    if options.top is not None:
        show_next_tokens(model, tokenizer, ids, options.sampling, options.top)
        return OK
    end = () if options.ignore_eos else tokenizer.end_of_text
    samples = sample_texts(
        model, tokenizer, options.prompt, options.sampling, options.num_samples, end
    )
    write_samples(samples, options.prompt)
    return OK


def encode_prompt(tokenizer: Tokenizer, prompt: str, block_size: int) -> Int[np.ndarray, " T0"]:
    """The ids of a prompt, all of them. Notes say what the model cannot see, or does not know.

    Raises:
        UsageError: there is no token in it.
        TokenizerError: it has a character that the tokenizer does not know.
    """
    try:
        ids = tokenizer.encode(prompt)
    except TokenizerError as error:
        raise TokenizerError(f"the prompt {prompt!r} cannot be encoded: {error}") from None
    if not ids.size:
        raise UsageError("the prompt is empty: there is no token to go on from")
    if unknown := list(tokenizer.unknown_words(prompt)):
        say(f"note: the tokenizer does not know {', '.join(map(repr, unknown))}: read as {UNKNOWN}")
    note_special_tokens(tokenizer, prompt, "the prompt")
    if ids.size > block_size:
        say(
            f"note: the prompt has {ids.size} tokens; the model sees only the last "
            f"{block_size} of them (block_size)"
        )
    return ids
