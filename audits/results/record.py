"""results.json: the measurements, and a hash of their sources."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from shared import sources
from shared.errors import RunError
from shared.files import explained, write_whole
from shared.protocol import BACKENDS
from shared.sources import ROOT

RESULTS = ROOT / "audits" / "results" / "results.json"

LONG = ("nanogpt-cpu",)
"""Presets that take minutes: trained only on request."""

DATASETS = ("tinyshakespeare", "playlets")

COMMON = ("backend", "cache", "generate", "model", "optim", "step")
OWN = {"numpy": ("nn",), "torch": (), "jax": ("nn",)}
"""The modules of a backend that affect a result: COMMON in all three, OWN in some."""
SHARED = (
    *("config", "layout", "randomness", "schedule"),
    *("text/datasets", "text/grammar", "text/playlets", "text/tokenizers"),
    *("runs/loop", "commands/prepare", "commands/sampling"),
)
"""The modules of shared/ that affect a result, in addition to the preset."""

MARGIN = 0.95
"""The largest allowed fraction of the bigram's loss: slightly better proves nothing."""


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
    """The whole training, including the framework's import, data, tokenizer, evaluations and
    checkpoints."""
    tokens_per_second: float
    """Median over the steps."""
    sample: str
    """The first line that the trained model writes."""

    @property
    def good(self) -> bool:
        """Whether it is clearly better than the bigram."""
        return self.val_loss <= MARGIN * self.bigram


def fingerprint(preset: str, backend: str) -> str:
    """A hash of the sources that affect a result."""
    modules = [f"shared/{name}.py" for name in SHARED]
    modules += [f"impls/{backend}/{name}.py" for name in (*COMMON, *OWN[backend])]
    return sources.fingerprint([f"shared/presets/{preset}.toml", *modules], ROOT)


def read_results(path: Path) -> list[Result]:
    """The earlier results; empty if there is no file.

    Raises:
        RunError: it cannot be read or is not a list of results.
    """
    if not path.exists():
        return []
    try:
        with explained("read", path):
            return [Result(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is no list of results; remove it to start over") from error


def write_results(results: Iterable[Result], path: Path) -> None:
    """Replace the file atomically. Raises `RunError` if it cannot be written."""
    text = json.dumps([asdict(result) for result in results], indent=1, ensure_ascii=False)
    with explained("write", path):
        write_whole(path, text + "\n")


def add(results: Sequence[Result], new: Result) -> list[Result]:
    """The results with a new one, in place of an earlier one of the same preset, backend and data,
    in the order of their names."""
    others = [result for result in results if _key(result) != _key(new)]
    return sorted([*others, new], key=_key)


def find(results: Iterable[Result], preset: str, backend: str, dataset: str) -> Result | None:
    """The result of a training from the current sources, if there is one."""
    for result in results:
        if (result.preset, result.backend, result.dataset) == (preset, backend, dataset):
            return result if result.sources == fingerprint(preset, backend) else None
    return None


def _key(result: Result) -> tuple[int, bool, str, int]:
    """Datasets apart, the real text first; long presets last, backends in the usual order."""
    place = BACKENDS.index(result.backend)
    return DATASETS.index(result.dataset), result.preset in LONG, result.preset, place
