"""The bigram baseline's command line: `python -m lessons.bigram`.

The baseline that a GPT has to beat. The exact answer needs no training: count the pairs. The
trained table approaches it, which shows what training does.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float, Int

from lessons.command import command
from shared.commands.next_tokens import show_token
from shared.commands.options import BackendName, DataOptions, UsageError
from shared.commands.terminal import escape_controls, same_output_everywhere, say
from shared.config import TrainConfig
from shared.errors import BackendError
from shared.protocol import BigramBackend, load_backend
from shared.randomness import uniform
from shared.text.datasets import TokenData, batch, encode_dataset, fit_tokenizer, load_dataset
from shared.text.tokenizers import Tokenizer

Table = Float[np.ndarray, "V V"]
Counts = Int[np.ndarray, "V V"]

LARGEST = 4096
"""The largest vocabulary: a table then takes 64 MiB, and training holds several."""
RECIPE = TrainConfig(learning_rate=0.1, min_lr=1e-3, warmup_steps=0, weight_decay=0, grad_clip=0)
SAMPLE = 100
"""Characters of text to draw from the counted table."""
EXPLANATION = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Options:
    data: DataOptions = field(default_factory=DataOptions)
    """The text, and its tokenizer."""
    backend: BackendName = "numpy"
    """The backend to compute with."""
    steps: int = 500
    """Updates of the table."""
    batch_size: int = 64
    """Rows of 64 tokens per update."""
    seed: int = 1337
    """Seed of the batches, and of the text that is drawn."""


@command
def main(options: Options) -> int:
    asked = {name: getattr(options, name) for name in ("steps", "batch_size", "seed")}
    config = replace(RECIPE, **asked)
    tokenizer, data, note = _prepare(options.data)
    V = tokenizer.vocab_size
    chosen = load_backend(options.backend)
    if not isinstance(chosen, BigramBackend):
        raise BackendError(f"backend {options.backend!r} has no bigram")
    same_output_everywhere()
    say(f"data  {note}")
    train, val = (chosen.count_bigrams(ids, V) for ids in (data.train, data.val))
    with np.errstate(divide="ignore"):  # ln 0: in the training text, such a pair is never asked for
        exact = mean_loss(np.log(frequencies(train)), train), mean_loss(log_frequencies(train), val)

    def row(label: str, table: Table) -> None:
        own = mean_loss(table, train), mean_loss(table, val)
        pairs = (f"{loss:8.4f} {loss - best:+9.4f}" for loss, best in zip(own, exact, strict=True))
        print(f"{label:27}{'   '.join(pairs)}", flush=True)

    print(f"{'nats per token':27}{'training text':^18}   {'validation text':^18}")
    print(f"{'':27}{'    loss − counted':18}   {'    loss − counted':18}")
    row(f"guessing among {V:,}", np.zeros((V, V)))
    print(f"{'counted':27}{exact[0]:8.4f} {'':9}   {exact[1]:8.4f}")
    baseline = exact[1]
    for step, table in _train(chosen, data, V, config):
        row(f"trained, {step:5,} steps", table)
        baseline = min(baseline, mean_loss(table, val))
    print(f"{EXPLANATION}{baseline:.4f}")
    _show_rows(tokenizer, frequencies(train), np.exp(log_softmax(table)), train.sum(axis=1))
    ids = draw(frequencies(train), int(data.train[0]), SAMPLE, options.seed)
    print(f"\nDrawn from the counted table, {SAMPLE} characters:\n")
    print(escape_controls(tokenizer.decode(ids)[:SAMPLE]))
    return 0


def _prepare(options: DataOptions) -> tuple[Tokenizer, TokenData, str]:
    dataset = load_dataset(options.dataset)
    tokenizer = fit_tokenizer(dataset, options.tokenizer, options.vocab_size)
    V = tokenizer.vocab_size
    if V > LARGEST:
        raise UsageError(
            f"the {tokenizer.kind} tokenizer has {V:,} tokens, and a table of {V:,} × {V:,} is too "
            f"large: at most {LARGEST:,} (--vocab-size, or another --tokenizer)"
        )
    # It looks at one token to guess one: two are text enough.
    return tokenizer, encode_dataset(dataset, tokenizer, block_size=1), dataset.note


def _train(
    chosen: BigramBackend, data: TokenData, vocab_size: int, config: TrainConfig
) -> Iterator[tuple[int, Table]]:
    """Train a table of zeros, and yield it ten times."""
    model = chosen.bigram(np.zeros((vocab_size, vocab_size)), config)
    window = min(64, len(data.train) - 1)  # as in the GPT's batches; the table sees one at a time
    sizes = {"batch_size": config.batch_size, "block_size": window}
    for step in range(config.steps):
        model.step(*batch(data.train, **sizes, seed=config.seed, step=step))
        if (step + 1) % max(1, config.steps // 10) == 0 or step + 1 == config.steps:
            yield step + 1, model.table()


def _show_rows(
    tokenizer: Tokenizer, counted: Table, trained: Table, seen: Int[np.ndarray, " V"]
) -> None:
    """The likeliest next token after each of the most common tokens."""
    print("\nRows to check: the likeliest token to come (␣ is a space)\n")
    for a in np.argsort(-seen, kind="stable")[:5].tolist():
        b = int(counted[a].argmax())
        pair = f'after "{show_token(tokenizer, a)}" comes "{show_token(tokenizer, b)}"'
        print(f"{pair:27} counted {counted[a, b]:.3f}   trained {trained[a, b]:.3f}")


def mean_loss(scores: Table, counts: Counts) -> float:
    """The loss of a table on a text, in nats per token, from the text's counts alone:
    −ln softmax(scores[a])[b], for every pair (a, b) as often as it occurs."""
    log_p = log_softmax(scores)
    occur = counts > 0  # 0 · ln 0 counts as 0
    return 0.0 - float((counts[occur] * log_p[occur]).sum() / counts.sum())  # never −0.0


def frequencies(counts: Counts) -> Table:
    """P(b | a) from counts [a, b]. Uniform after a token that nothing ever followed."""
    followed = counts + (counts.sum(axis=1, keepdims=True) == 0)
    return cast(np.ndarray, followed / followed.sum(axis=1, keepdims=True))


def log_frequencies(counts: Counts) -> Table:
    """ln P(b | a) from counts [a, b], each plus one, so that nothing is impossible (Laplace)."""
    return cast(np.ndarray, np.log(frequencies(counts + 1)))


def draw(p: Table, first: int, count: int, seed: int) -> list[int]:
    """`first` and the `count` tokens that follow, each by inverse CDF from the row of the last."""
    ids = [first]
    for position in range(1, count + 1):
        cdf = np.cumsum(p[ids[-1]])
        u = uniform(seed, position) * cdf[-1]
        ids.append(int(np.searchsorted(cdf, u, side="right")))
    return ids


def log_softmax(scores: Table) -> Table:
    """ln P(b | a) from scores [a, b], in float64."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True)
    return cast(np.ndarray, shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


if __name__ == "__main__":
    sys.exit(main())
