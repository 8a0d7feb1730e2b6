"""The presets: each names the source of its hyperparameters, and can be trained."""

from dataclasses import replace
from pathlib import Path

import pytest

from audits.results.record import MARGIN, Result
from audits.results.training import train_preset
from lessons.alone import run_alone
from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.train import train_main
from shared.config import PRESETS, GPTConfig, load_preset, preset_names
from shared.runs.metrics import read_metrics


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_whose_choices_it_is_and_can_be_trained(name: str) -> None:
    """Two steps; `python -m audits.results` measures the whole trainings."""
    assert (PRESETS / f"{name}.toml").read_text(encoding="utf-8").startswith("# ")
    words = (f"Speaker {i}: the {i % 7} things of which {i % 11} are said.\n" for i in range(150))
    Path("text.txt").write_text("".join(words))
    options = ["--preset", name, "--dataset", "text.txt", "--steps", "2", "--out", "run"]
    assert train_main("numpy", [*options, "--batch-size", "2"]) == 0  # baby-gpt's takes a minute
    checkpoint = load_checkpoint(newest_checkpoint("run"))
    assert checkpoint.training.train == replace(load_preset(name).train, steps=2, batch_size=2)
    model = {"vocab_size": checkpoint.config.vocab_size}  # what the text has
    assert checkpoint.config == GPTConfig(**load_preset(name).model | model)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_baby_gpt_learns_in_fifty_steps(backend: str) -> None:
    """Its whole model, with dropout, on a sixty-fourth of its batch in a quarter of its window."""
    options = "--preset baby-gpt --dataset playlets --out run --eval-windows 4 --keep-checkpoints 1"
    small = "--steps 50 --batch-size 1 --block-size 64"
    assert train_main(backend, [*options.split(), *small.split()]) == 0
    losses = [row.loss for row in read_metrics(Path("run/metrics.jsonl")) if row.loss is not None]
    assert len(losses) == 50
    assert sum(losses[-5:]) / 5 < 0.85 * losses[0]


def train_a_quarter(directory: Path) -> Result:
    """The classroom preset in NumPy, with a quarter of its steps: the whole command."""
    recipe = (PRESETS / "classroom.toml").read_text(encoding="utf-8")
    (directory / "classroom.toml").write_text(recipe.replace("steps = 1200", "steps = 300"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.config.PRESETS", directory)
        return train_preset("classroom", "numpy", "playlets", directory / "run")


def test_the_classroom_preset_beats_the_bigram_in_a_quarter_of_its_steps(tmp_path: Path) -> None:
    """In a process where nobody checks annotations. `nox -s results` measures whole trainings."""
    result = run_alone(train_a_quarter, tmp_path)
    assert result.steps == 300
    assert result.floor < result.val_loss < MARGIN * result.bigram
    assert result.bigram == pytest.approx(2.3076, abs=1e-4)
