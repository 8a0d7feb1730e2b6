"""results.json: the measurements, and a hash of their sources."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import UseAppendAction, arg

from shared import sources
from shared.config import load_preset, preset_names
from shared.files import explained, write_whole
from shared.protocol import BACKENDS

RESULTS = sources.ROOT / "audits" / "results" / "results.json"

HUGE = ("baby-gpt",)
"""Presets that take hours without a GPU: trained only by name."""

DATASETS = ("tinyshakespeare", "playlets")

PresetNames = Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="|".join(preset_names()))]
"""The type of an option that names presets, any number of times."""

MARGIN = 0.95
"""The largest allowed fraction of the bigram's loss: slightly better proves nothing."""


def chosen(names: Sequence[str]) -> list[str]:
    """These presets, or all but the huge. Raises `ConfigError` for one that does not exist."""
    usual = [name for name in preset_names() if name not in HUGE]
    return [load_preset(name).name for name in names] or usual


@dataclass(frozen=True)
class Result:
    """One preset, trained in one backend. It is published: it reveals the machine's speed only."""

    preset: str
    backend: str
    dataset: str
    """A name of `shared.text.datasets`."""
    sources: str
    """`fingerprint` of what was trained."""
    steps: int
    val_loss: float
    """Loss on the whole validation split after the last step, in nats per token."""
    bits_per_byte: float
    """The same in bits per byte of text."""
    bigram: float
    """Loss of the bigram, from exact counts, on the same tokens, in nats per token."""
    floor: float | None
    """The best possible loss, in nats per token; None if unknown."""
    seconds: float
    """The whole training, with imports, data, tokenizer, evaluations and checkpoints."""
    sample: str
    """The first line that the trained model writes."""

    @property
    def good(self) -> bool:
        """Whether it is clearly better than the bigram."""
        return self.val_loss <= MARGIN * self.bigram

    @property
    def place(self) -> tuple[int, str, int]:
        """Datasets apart, the real text first; backends in the usual order."""
        return DATASETS.index(self.dataset), self.preset, BACKENDS.index(self.backend)


def fingerprint(backend: str) -> str:
    """A hash of the sources that can affect a result."""
    return sources.fingerprint(["shared", f"impls/{backend}"])


def read_results(path: Path) -> list[Result]:
    """The earlier results; empty if there is no file."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [Result(**row) for row in rows]


def write_results(results: Iterable[Result], path: Path) -> None:
    """Replace the file atomically. Raises `RunError` if it cannot be written."""
    text = json.dumps([asdict(result) for result in results], indent=1, ensure_ascii=False)
    with explained("write", path):
        write_whole(path, text + "\n")


def add(results: Iterable[Result], new: Result) -> list[Result]:
    """The results in order, with a new one in place of one of the same preset, backend and data."""
    by_place = {result.place: result for result in [*results, new]}
    return [by_place[place] for place in sorted(by_place)]
