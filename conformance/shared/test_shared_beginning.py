"""Starting a training: shared/commands/prepare.py and shared/memory.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.cases import BASE
from conformance.shared.checkpoints.test_shared_checkpoints import content_hash
from conformance.truths.by_definition import dice, same_bits, same_tensors
from shared import memory
from shared.checkpoints.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from shared.commands.options import DataOptions, ModelOptions, RunOptions, TrainOptions, parse_train
from shared.commands.prepare import Preparation, prepare
from shared.config import GPTConfig, TrainConfig
from shared.errors import ConfigError, RunError, UserError
from shared.protocol import TrainState

TEXT = "to be, or not to be\n" * 10
CONFIG = GPTConfig(9, 8, 1, 2, 4)
TRAIN = TrainConfig(40, seed=9, batch_size=3)


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "text").write_text(TEXT)
    return str(tmp_path / "text")


def begin(
    text: str, checkpoint: Any = None, train: TrainConfig = TRAIN, model: Any = (), **run: Any
) -> Preparation:
    sizes = {"block_size": 8, "n_layer": 1, "n_head": 2, "n_embd": 4} | dict(model)
    options = RunOptions(Path("runs/x"), **{"dtype": "float64"} | run)
    asked = TrainOptions(options, DataOptions(text), ModelOptions(**sizes), train)
    return prepare("jax", asked, checkpoint)


def saved(path: Path, ready: Preparation, step: int = 30, **changes: Any) -> Checkpoint:
    """A checkpoint of `ready` after some steps, with recognizable weights and moments."""
    weights = {name: value + 1 for name, value in ready.weights.items()}
    moments = {"m": dict(ready.weights), "v": {name: value * 2 for name, value in weights.items()}}
    parts: dict[str, Any] = {"tokenizer": ready.tokenizer, "moments": moments}
    record = replace(ready.record, step=step, init_from="a", init_from_sha256="e" * 64)
    save_checkpoint(path, ready.config, weights, training=record, **parts | changes)
    return load_checkpoint(path)


def test_a_new_training(text: str) -> None:
    """New weights from its seed, in its precision; a tokenizer and a vocabulary from its text."""
    ready = begin(text)
    assert ready.config == CONFIG
    assert ready.tokenizer.decode(range(9)) == "".join(sorted(set(TEXT)))
    first = 0.02 * dice(9, 0).standard_normal((9, 4))
    same_bits(ready.weights["transformer.wte.weight"], first, "the first weights")
    for part, text_of_it in ((ready.data.train, TEXT[:180]), (ready.data.val, TEXT[180:])):
        same_bits(part, ready.tokenizer.encode(text_of_it, np.uint8), "a part of the text")
    record = ready.record
    assert (record.step, record.seed, record.train, record.val_loss) == (0, 9, TRAIN, None)
    assert (record.dataset, record.dataset_sha256) == (text, ready.dataset.sha256)
    assert (record.tokenizer, record.backend, record.dtype) == ("char", "jax", "float64")
    assert (record.init_from, ready.start) == (None, None)
    assert {"python", "numpy"} <= set(record.versions)


def test_a_resumed_training(text: str, tmp_path: Path) -> None:
    """Everything comes from the checkpoint. Another text, fewer steps, or no moments: refused."""
    checkpoint = saved(tmp_path / "c", begin(text))
    ready = begin(text, checkpoint, resume=True)
    expected = TrainState(30, checkpoint.weights, checkpoint.moments)
    assert (ready.start, ready.config) == (expected, CONFIG)
    same_tensors(dict(ready.weights), checkpoint.weights)
    assert (ready.record.init_from, ready.record.init_from_sha256) == ("a", "e" * 64)
    begin(text, saved(tmp_path / "end", ready, step=40), resume=True)
    for step, parts, message in (
        (41, {}, "runs/x has done 41 steps; --steps 40 is less"),
        (30, {"moments": None}, "runs/x cannot be resumed: .* where the optimizer's moments are"),
    ):
        with pytest.raises(RunError, match=message):
            begin(text, saved(tmp_path / "no", ready, step, **parts), resume=True)
    Path(text).write_text(TEXT + "\n")
    message = rf"{text} is not the text that runs/x was trained on: .* of {text} was"
    with pytest.raises(RunError, match=message):
        begin(text, checkpoint, resume=True)


def test_a_resumed_command_line(text: str, tmp_path: Path) -> None:
    """`--resume` takes every option from the checkpoint and refuses to change most of them."""
    words = "--steps 40 --dtype float64 --tokenizer byte --block-size 8 --n-layer 1 --n-head 2 "
    words += "--n-embd 4 --norm post --activation relu --position sinusoidal --learning-rate 0.01 "
    words += "--optimizer sgd --grad-clip 0.5 --batch-size 3 --seed 9 --min-lr 0.005"
    argv = ["--out", str(tmp_path), "--dataset", text, *words.split()]
    asked, _ = parse_train("jax", argv, pytest.fail)
    checkpoint = saved(tmp_path / "c", prepare("jax", asked, None), moments={})
    given = ["--out", str(tmp_path), "--resume"]
    resumed, _ = parse_train("jax", given, lambda _: checkpoint)
    assert (resumed.run.dtype, resumed.train) == ("float64", asked.train)
    assert resumed.data == replace(asked.data, vocab_size=256)
    assert prepare("jax", resumed, checkpoint).config == prepare("jax", asked, None).config
    for option, old, new in (
        *(("dtype", "float64", "float32"), ("learning_rate", "0.01", "0.02")),
        *(("norm", "post", "pre"), ("tokenizer", "byte", "char"), ("seed", "9", "2")),
    ):
        change = [f"--{option.replace('_', '-')}", new]
        message = f"{option} is {old} in the run at {tmp_path} and cannot become {new}: a resumed"
        with pytest.raises(UserError, match=message):
            parse_train("jax", [*given, *change], lambda _: checkpoint)


def test_fine_tuning(text: str, tmp_path: Path) -> None:
    """Weights, model and tokenizer from the checkpoint; a text it can encode. Of the options of the
    model, only dropout counts; those of the training all do."""
    checkpoint = saved(tmp_path / "c", begin(text))
    Path(text).write_text("not\n" * 30)
    train, model = replace(TRAIN, optimizer="sgd", seed=5), {"dropout": 0.25, "n_layer": 5}
    ready = begin(text, checkpoint, train, model, init_from=tmp_path / "c", dtype="float32")
    same_tensors(dict(ready.weights), checkpoint.weights)
    assert (ready.config, ready.start) == (replace(CONFIG, dropout=0.25), None)
    assert (ready.record.step, ready.record.train, ready.record.dtype) == (0, train, "float32")
    assert ready.data.val.tolist() == checkpoint.tokenizer.encode("not\n" * 3).tolist()
    origin = (str(tmp_path / "c"), content_hash(checkpoint.weights, {}))
    assert (ready.record.init_from, ready.record.init_from_sha256) == origin


@pytest.mark.parametrize(("dtype", "needed"), [("float32", 225_012), ("float64", 450_024)])
def test_memory(monkeypatch: pytest.MonkeyPatch, dtype: str, needed: int) -> None:
    """Of BASE, B = 3: 2 · (4 · 24² + 2 · 24 · 40) + 37 · 24 = 9,336 parameters, four numbers each;
    2 · 33 · (6 · 24 + 2 · 40 + 4 · 11) + 33 · 37 = 18,909 for the 33 positions of a batch."""
    train = TrainConfig(batch_size=3)
    for there in (needed, None):
        monkeypatch.setattr(memory, "physical_memory", lambda there=there: there)
        memory.check_memory(BASE, train, dtype)
    monkeypatch.setattr(memory, "physical_memory", lambda: needed - 1)
    with pytest.raises(ConfigError, match="9,336 parameters"):
        memory.check_memory(BASE, train, dtype)
