"""What comes next, as a table: `python -m impls.NAME.sample --prompt "ROMEO:" --top 10`.

A model does not choose the next token. It gives every token of the vocabulary a probability, and
sampling draws one: [0, 1) is divided into intervals as wide as the probabilities, in the order of
the ids, and a random number u falls into one of them (`sample_token` in impls/NAME/generate.py).

The arithmetic after the logits is repeated here in NumPy and float64, because the table must be the
same for all backends and needs every probability; sampling needs only the token under u.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.config import SampleConfig
from shared.protocol import Model
from shared.randomness import uniform
from shared.text.tokenizers import Tokenizer

SPACE = "␣"
BAR = 20
"""Width of a bar that stands for probability 1."""


@dataclass(frozen=True)
class NextTokens:
    """The distribution of the token that follows a prompt, and the one that is drawn from it."""

    p: Float[np.ndarray, " V"]
    """The model's own probabilities: softmax(logits)."""
    drawn_from: Float[np.ndarray, " V"]
    """The same after temperature, top-k and top-p. They sum to 1."""
    u: float
    """The random number in [0, 1) that the seed gives for this position."""
    token: int
    """The token whose interval u falls into: what sampling writes."""

    def interval(self) -> tuple[float, float]:
        """The part of [0, 1) that belongs to `token`."""
        edges = np.concatenate([[0.0], np.cumsum(self.drawn_from)])
        return float(edges[self.token]), float(edges[self.token + 1])


def next_tokens(model: Model, ids: Int[np.ndarray, " T0"], config: SampleConfig) -> NextTokens:
    """What `model` expects after the prompt `ids`, of which it sees the last block_size tokens."""
    logits = model.logits(ids[None, -model.config.block_size :])[0, -1]
    drawn_from = distribution(logits, config)
    u = uniform(config.seed, len(ids))
    cdf = np.cumsum(drawn_from)
    token = int(np.searchsorted(cdf, u * cdf[-1], side="right"))
    return NextTokens(distribution(logits, SampleConfig()), drawn_from, u, token)


def distribution(logits: Float[np.ndarray, " V"], config: SampleConfig) -> Float[np.ndarray, " V"]:
    """The probabilities that the next token is drawn from, in the order of the ids, float64.

    Temperature comes first, then top-k, then top-p of what is left, renormalised. Among equals, the
    lower id counts as more likely. Temperature 0 is the limit: all probability for the most likely
    token.
    """
    p = np.zeros(len(logits))
    if config.temperature == 0:
        p[logits.argmax()] = 1.0
        return p
    gaps = logits.astype(np.float64) - float(logits.max())
    with np.errstate(over="ignore"):  # at a tiny temperature a gap becomes −inf, and e^−inf is 0
        p = np.exp(gaps / config.temperature)
    p /= p.sum()
    order = np.argsort(-p, kind="stable")  # most likely first
    ranked = p[order]
    if config.top_k is not None:
        ranked[config.top_k :] = 0
        ranked /= ranked.sum()
    if config.top_p is not None:
        before = np.cumsum(ranked) - ranked  # the total probability of all likelier tokens
        ranked[before >= config.top_p] = 0
        ranked /= ranked.sum()
    p[order] = ranked
    return p


def entropy(p: Float[np.ndarray, " V"]) -> float:
    """How uncertain a distribution is, in bits: −Σ p log2 p. 0: sure; log2 V: knows nothing."""
    some = p[p > 0]  # 0 · log 0 counts as 0
    return float(-(some * np.log2(some)).sum()) + 0.0  # never −0.0


def show_token(tokenizer: Tokenizer, token: int) -> str:
    """A token made visible: a space as ␣, a newline as \\n, half a character as \\xe2."""
    text = tokenizer.piece(token).decode("utf-8", errors="backslashreplace")
    return "".join(SPACE if c == " " else c if c.isprintable() else ascii(c)[1:-1] for c in text)


def next_token_table(tokenizer: Tokenizer, found: NextTokens, top: int) -> Table:
    """The `top` most likely tokens, or all if there are fewer, each with a bar."""
    changed = not np.array_equal(found.p, found.drawn_from)
    table = Table()
    for heading in ("rank", "token", "id", "probability", *(["drawn from"] if changed else [])):
        table.add_column(heading, justify="left" if heading == "token" else "right")
    table.add_column("", width=BAR)
    order = np.argsort(-found.p, kind="stable")[:top]  # temperature changes no rank
    for rank, token in enumerate(order.tolist(), start=1):
        drawn = found.drawn_from[token]
        shown = escape(show_token(tokenizer, token))
        second = [f"{drawn:.4f}" if drawn else "0"] if changed else []
        numbers = str(token), f"{found.p[token]:.4f}", *second
        table.add_row(str(rank), shown, *numbers, "█" * round(BAR * drawn))
    return table


def show_next_tokens(
    model: Model, tokenizer: Tokenizer, ids: Int[np.ndarray, " T0"], config: SampleConfig, top: int
) -> None:
    """Print the table, what the rows leave out, and which token the seed draws."""
    found = next_tokens(model, ids, config)
    out = Console(highlight=False)
    out.print(next_token_table(tokenizer, found, top))
    shown = np.sort(found.p)[::-1][:top].sum()
    if top < len(found.p):
        out.print(f"the other {len(found.p) - top:,} tokens together: {max(0.0, 1 - shown):.4f}")
    out.print(
        f"entropy: {entropy(found.drawn_from):.2f} bits "
        f"(0: sure of one token; {np.log2(len(found.p)):.2f}: all alike)"
    )
    token = escape(show_token(tokenizer, found.token))
    if config.temperature == 0:
        out.print(f"written at temperature 0: {token}, the most likely, whatever the seed")
        return
    low, high = found.interval()
    out.print(
        f"written with --seed {config.seed}: {token}, for u = {found.u:.4f} falls in its interval, "
        f"from {low:.4f} to {high:.4f}",
        soft_wrap=True,
    )
