"""Train presets with twenty seeds, and store the losses to expect: python -m audits.bands

Two processes at a time, with one thread each. What was stored of a preset and a text is replaced.
"""

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from audits.contained import work_off
from audits.results.record import PresetNames, chosen
from lessons.command import command
from shared.commands.options import DatasetName
from shared.commands.terminal import OK, end_of_checks, say
from shared.commands.train import train_main
from shared.commands.trained import load_trained
from shared.errors import ConfigError, RunError
from shared.files import explained, write_whole
from shared.runs.bands import BANDS, Band, bands, recipe_of
from shared.runs.directory import RunDirectory
from shared.runs.metrics import read_metrics
from shared.text.datasets import load_dataset


@dataclass(frozen=True)
class Options:
    """What to train."""

    preset: PresetNames = ()
    """A preset. By default all but `baby-gpt`."""
    dataset: DatasetName = "auto"
    """auto: tinyshakespeare if available, otherwise playlets. FILE: any UTF-8 text."""
    seeds: int = 20
    """How many seeds: 1, 2, …"""


@command
def main(options: Options) -> int:
    if options.seeds < 2:
        raise ConfigError(f"seeds is {options.seeds}; it must be a whole number, 2 or more")
    presets = chosen(options.preset)
    dataset = load_dataset(options.dataset)
    end_of_checks()
    for preset in presets:
        work = partial(train_seed, preset, dataset.name)
        with patch.dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"):
            found = [each for _, each in work_off(work, range(1, options.seeds + 1), 3600, 2)]
        trained = [each for each in found if not isinstance(each, str)]
        if len(trained) < len(found):
            raise RunError(f"{preset}: {next(each for each in found if isinstance(each, str))}")
        (recipe, first), losses = trained[0], [each for _, each in trained]
        by_step = {step: sorted(round(each[step], 5) for each in losses) for step in first}
        band = Band(preset, dataset.name, recipe, by_step)
        store(band)
        say(f"{preset} on {dataset.name}: {' to '.join(f'{x:.4f}' for x in band.at(max(by_step)))}")
    return 0


def train_seed(preset: str, dataset: str, seed: int) -> tuple[dict[str, Any], dict[int, float]]:
    """Train a preset in NumPy as its command line does: its recipe, and its losses by step."""
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run"
        options = ["--preset", preset, "--dataset", dataset, "--seed", str(seed), "--out", str(run)]
        if train_main("numpy", options) != OK:
            raise RunError(f"{preset} was not trained with seed {seed}")
        checkpoint, _ = load_trained("numpy", run)
        assert checkpoint.training is not None, "it was trained"
        rows = read_metrics(RunDirectory(run).metrics)
        losses = {row.step: row.val_loss for row in rows if row.val_loss is not None}
        return recipe_of(checkpoint.config, checkpoint.training), losses


def store(band: Band) -> None:
    """Replace the band of the same preset and dataset."""
    place = band.preset, band.dataset
    kept = [each for each in bands() if (each.preset, each.dataset) != place]
    rows = sorted([*kept, band], key=lambda each: (each.dataset, each.preset))
    with explained("write", BANDS):
        write_whole(BANDS, "[\n" + ",\n".join(json.dumps(asdict(row)) for row in rows) + "\n]\n")
    bands.cache_clear()


if __name__ == "__main__":
    sys.exit(main())
