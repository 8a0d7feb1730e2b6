"""Is the loss of a run right? Compare it with other seeds: python -m lessons.check runs/numpy

NumPy computes the loss of the run's newest checkpoint again, on the whole validation split. Exit
status 0: it is inside the band of the same recipe with other seeds. 1: it is outside.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from lessons.command import command
from shared.commands.options import default_run
from shared.commands.trained import load_trained
from shared.config import weight_dtype
from shared.errors import RunError
from shared.protocol import load_backend
from shared.runs.bands import Band, bands, find_band, recipe_of
from shared.runs.loop import evaluate
from shared.text.datasets import encode_dataset, load_dataset


@dataclass(frozen=True)
class Options:
    run: Annotated[Positional[Path], arg(metavar="DIR")] = field(
        default_factory=partial(default_run, "numpy")
    )
    """A run of any backend, or one of its checkpoints."""


@command
def main(options: Options) -> int:
    """Raises `RunError` if no band was measured for this recipe, this text, or this step."""
    checkpoint, tokenizer = load_trained("numpy", options.run)
    config, record = checkpoint.config, checkpoint.training
    if record is None:
        raise RunError(f"{options.run} has no training.json, which says how it was trained")
    band = find_band(config, record)
    if band is None:
        why = "it is fine-tuned" if record.init_from else nearest(recipe_of(config, record))
        raise RunError(f"no band was measured for the recipe of {options.run}: {why}")
    if record.step not in band.val_losses:
        steps = ", ".join(f"{step:,}" for step in band.val_losses)
        raise RunError(f"{options.run} is at step {record.step:,}; there are bands at {steps}")
    dataset = load_dataset(record.dataset)
    if dataset.sha256 != record.dataset_sha256:
        raise RunError(f"{record.dataset} is no longer the text that {options.run} was trained on")
    data = encode_dataset(dataset, tokenizer, config.block_size)
    dtype = weight_dtype(checkpoint.dtype)
    model = load_backend("numpy").build(config, checkpoint.weights, dtype=dtype)
    loss = evaluate(model, data.val, record.train.batch_size)
    print(f"{band.preset} on {band.dataset}, step {record.step:,} of {record.train.steps:,}")
    print(band.verdict(record.step, loss))
    return 0 if band.inside(record.step, loss) else 1


def nearest(recipe: Mapping[str, Any]) -> str:
    """The measured recipe that is most like this one, and what is different."""

    def differences(band: Band) -> list[str]:
        pairs = [(key, value, band.recipe.get(key)) for key, value in recipe.items()]
        return [f"{key} is {a!s:.12}, not {b!s:.12}" for key, a, b in pairs if a != b]

    if not bands():
        return "there are none"
    band = min(bands(), key=lambda band: len(differences(band)))
    return f"{', '.join(differences(band))} (as {band.preset} on {band.dataset} has it)"


if __name__ == "__main__":
    sys.exit(main())
