"""Expected losses: the validation loss of a preset with other seeds.

`python -m audits.bands` trains presets with twenty seeds and writes shared/presets/bands.json.
A run with the same recipe on the same text should end where those did.
"""

import functools
import json
import statistics
from dataclasses import asdict, dataclass
from typing import Any

from shared.checkpoints.checkpoint import TrainingRecord
from shared.config import PRESETS, GPTConfig

BANDS = PRESETS / "bands.json"
DEVIATIONS = 3.0
"""Half the width of a band, in standard deviations of the seeds' losses. If losses are normally
distributed, 1 of 116 correct runs is outside the band of twenty seeds (Student's t)."""
FREE = ("seed", "accumulate", "eval_interval", "checkpoint_interval")
"""Fields of `TrainConfig` that change a loss by no more than another seed does, or not at all."""


@dataclass(frozen=True)
class Band:
    """The losses of runs that differ only in their seeds."""

    preset: str
    dataset: str
    """Its name."""
    recipe: dict[str, Any]
    """What `recipe_of` returns."""
    val_losses: dict[int, list[float]]
    """By step: the loss on the whole validation split, with each seed, in nats per token."""

    @property
    def seeds(self) -> int:
        return len(self.val_losses[0])

    def at(self, step: int) -> tuple[float, float]:
        """The lowest and the highest loss to expect at a step of `val_losses`."""
        losses = self.val_losses[step]
        mean, half = statistics.fmean(losses), DEVIATIONS * statistics.stdev(losses)
        return mean - half, mean + half

    def inside(self, step: int, loss: float) -> bool:
        low, high = self.at(step)
        return low <= loss <= high

    def verdict(self, step: int, loss: float) -> str:
        """Where a loss is, and the band, as training and `lessons.check` print it."""
        low, high = self.at(step)
        where = "inside" if self.inside(step, loss) else "below" if loss < low else "above"
        return f"{loss:.4f}: {where} the band {low:.4f}–{high:.4f} of {self.seeds} seeds"


def recipe_of(config: GPTConfig, record: TrainingRecord) -> dict[str, Any]:
    """Everything that determines the loss, except for the seed and rounding. Resuming may change
    the number of steps: only the last is known."""
    text = {"text": record.dataset_sha256, "tokenizer": record.tokenizer}
    every = text | asdict(config) | asdict(record.train)
    return {key: value for key, value in every.items() if key not in FREE}


@functools.cache
def bands() -> tuple[Band, ...]:
    """All measured bands. If the file is damaged, there are none: no run fails because of it."""
    try:
        rows = json.loads(BANDS.read_text(encoding="utf-8"))
        return tuple(
            Band(**row | {"val_losses": {int(step): v for step, v in row["val_losses"].items()}})
            for row in rows
        )
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return ()


def find_band(config: GPTConfig, record: TrainingRecord) -> Band | None:
    """The band of a run. None if its recipe and text were not measured, or it is fine-tuned."""
    if record.init_from is not None:
        return None
    recipe = recipe_of(config, record)
    return next((band for band in bands() if band.recipe == recipe), None)
