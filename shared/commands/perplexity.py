"""How well a model knows a text: `python -m impls.NAME.sample --perplexity text.txt`."""

import math

from shared.commands.options import UsageError
from shared.commands.terminal import announced
from shared.commands.trained import note_special_tokens
from shared.protocol import Model
from shared.runs.loop import evaluate
from shared.text.datasets import load_dataset
from shared.text.tokenizers import Tokenizer

ROWS = 1
"""Windows that are evaluated together. The logits of one of GPT-2's take 200 MB."""


def show_perplexity(model: Model, tokenizer: Tokenizer, file: str) -> None:
    """Print the perplexity of a text: exp of the mean loss over all of its tokens but the first.

    The text is cut into windows of block_size, side by side: the first tokens of each window have
    little to go by, so a model with a longer window has an easier task. A value per token says
    nothing across tokenizers; bits per byte do.

    Raises:
        DatasetError: the text cannot be had.
        TokenizerError: it has a character that the tokenizer does not know.
        UsageError: it has fewer than two tokens.
    """
    text = load_dataset(file).contents
    ids = tokenizer.encode(text)
    note_special_tokens(tokenizer, text, file)
    if len(ids) < 2:
        raise UsageError(f"{file} has {len(ids)} token; perplexity needs 2 or more")
    with announced(f"reading {len(ids):,} tokens"):
        loss = evaluate(model, ids, ROWS)
    size = len(text.encode()) - tokenizer.first_token_bytes(text)
    bits = loss * (len(ids) - 1) / math.log(2) / size
    print(
        f"perplexity {math.exp(loss):.4f}: {loss:.6f} nats per token over {len(ids) - 1:,} tokens, "
        f"{bits:.4f} bits per byte"
    )
