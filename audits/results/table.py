"""The results as Markdown, for the README and on a terminal."""

import html
import re
from collections.abc import Callable, Sequence
from itertools import groupby

from audits.results.record import Result
from shared.commands.terminal import escape_controls
from shared.protocol import BACKENDS

NAMES = {"numpy": "NumPy", "torch": "PyTorch", "jax": "JAX"}
MISSING = "–"

INTRODUCTION = """\
Every preset but `baby-gpt` in every backend, as `nox -s results` measured it on {dataset}.
Where values differ, they are {backends}. Losses are over the whole validation split, in nats
per token: compare a loss with the bigram's beside it, which was counted on the same tokens. Across
presets only the bits per byte can be compared, and not those of words: `<unk>` stands for many
words and is easy to predict. The seconds are those of the whole command, from the fastest backend
to the slowest; each was measured once, so compare speeds with `nox -s bench` instead.
"""

HEADINGS = (
    *("preset", "bigram", "loss", "floor"),
    *("bits per byte", "seconds", "first line of a sample"),
)


def markdown(results: Sequence[Result]) -> str:
    """The text between the markers: an introduction, and a table for every dataset."""
    parts: list[str] = []
    for dataset, of_dataset in groupby(results, key=lambda result: result.dataset):
        introduction = "The same on {dataset}:\n" if parts else INTRODUCTION
        parts.append(introduction.format(dataset=dataset, backends=" / ".join(NAMES.values())))
        lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
        for _, of_preset in groupby(of_dataset, key=lambda result: result.preset):
            lines.append(f"| {' | '.join(_cells(list(of_preset)))} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _cells(results: Sequence[Result]) -> list[str]:
    first = results[0]
    of = {result.backend: result for result in results}
    seconds = [result.seconds for result in results]

    def three(value: Callable[[Result], float], form: str) -> str:
        """The values of the backends, or one value if all are equal."""
        shown = [format(value(of[name]), form) if name in of else MISSING for name in BACKENDS]
        return shown[0] if len(set(shown)) == 1 else " / ".join(shown)

    return [
        f"`{first.preset}`",
        f"{first.bigram:.3f}",
        three(lambda result: result.val_loss, ".3f"),
        MISSING if first.floor is None else f"{first.floor:.3f}",
        three(lambda result: result.bits_per_byte, ".2f"),
        f"{min(seconds):.0f}–{max(seconds):.0f}",
        escape_markdown(first.sample),
    ]


def escape_markdown(text: str) -> str:
    """Escape any text as one cell of a table."""
    shown = html.escape(escape_controls(text), quote=False)
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", " ".join(shown.split()))
