"""Fine-tuning: `train --init-from` begins with the weights of any checkpoint, on another text."""

import re
from pathlib import Path

import pytest

from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.train import train_main
from shared.protocol import load_backend
from shared.runs.loop import evaluate
from shared.runs.metrics import read_metrics
from shared.text.datasets import encode_dataset, load_dataset
from tests.command_line import SMALL

TUNE = ["--steps", "20", "--batch-size", "4", "--learning-rate", "1e-2", "--warmup-steps", "0"]


@pytest.fixture
def other(tmp_path: Path) -> str:
    """The path of another text, in characters that the first one has too."""
    path = tmp_path / "other.txt"
    path.write_text("what light breaks? It is the east: soft!\n" * 60)
    return str(path)


def test_it_begins_with_the_weights_of_a_run_and_is_resumed(capsys, trained, other) -> None:
    """Step 0 shows the loss of its weights, and training improves on it."""
    before = load_checkpoint(newest_checkpoint(trained))
    options = ["--init-from", str(trained), "--dataset", other, "--out", "tuned", *TUNE]
    assert train_main("numpy", options) == 0
    data = encode_dataset(load_dataset(other), before.tokenizer, before.config.block_size)
    model = load_backend("numpy").build(before.config, before.weights)
    first, *_, last = read_metrics(Path("tuned/metrics.jsonl"))
    assert first.val_loss == pytest.approx(evaluate(model, data.val, 4), rel=1e-5)
    assert last.val_loss < first.val_loss - 0.1
    assert (first.step, last.step) == (0, 20)
    shown = capsys.readouterr().err
    assert f"weights   those of {trained}: the validation loss of step 0 is theirs" in shown
    assert shown.index("weights   ") < shown.index("step  0/20  val")
    assert (
        f"\nvalidation loss {first.val_loss:.4f} before, {last.val_loss:.4f} after, in nats "
        f"per token, {last.bits_per_byte:.4f} bits per byte\n"
    ) in shown
    assert train_main("numpy", ["--resume", "--out", "tuned", "--steps", "24"]) == 0
    shown = capsys.readouterr().err
    assert f"validation loss {first.val_loss:.4f} before, " in shown
    assert "weights   those of" not in shown
    record = load_checkpoint(newest_checkpoint("tuned")).training
    assert (record.step, record.backend, record.init_from) == (24, "numpy", str(trained))


def test_words_that_are_not_known_are_counted(capsys, trained: Path) -> None:
    """Of every ten words, five are "light", which is known, and five "moon", which is not."""
    words = ["--tokenizer", "word", "--dataset", str(trained.parent / "text.txt"), "--out", "words"]
    assert train_main("numpy", [*SMALL, *words]) == 0
    Path("moon.txt").write_text("light moon\n" * 500)
    options = ["--init-from", "words", "--dataset", "moon.txt", "--steps", "2", "--out", "tuned"]
    assert train_main("numpy", options) == 0
    (warning,) = re.findall(r"warning: .*\n", capsys.readouterr().err)
    assert "does not know 50.0% of the words of this text: 500 of 1,000 become <unk>" in warning
