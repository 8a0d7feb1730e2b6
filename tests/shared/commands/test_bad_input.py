"""Unusable input is refused: one or two lines, status 2, and nothing written or lost."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.checkpoints.checkpoint import newest_checkpoint
from shared.commands.sample import sample_main
from shared.commands.train import train_main
from shared.protocol import BACKENDS
from shared.sources import ROOT
from tests.command_line import SMALL, error_of

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "gpt5"], "there is no preset 'gpt5'; there are: .*nanogpt-cpu"),
        (["--dataset", "bible"], "neither a dataset nor a file 'bible'"),
        (["--tokenizer", "chars", "--dataset", "bible"], "no tokenizer 'chars'; .*byte, char"),
        (["--vocab-size", "9"], "vocab_size is 9"),
        (["--block-size", "9999"], r"text.txt is too short: .* a block_size of 9999 needs 10000"),
        (["--n-head", "3"], "n_embd 8 is not divisible by n_head 3"),
        (["--min-lr", "1"], "min_lr 1.0 is above learning_rate"),
        (["--steps"], "Missing value for argument '--steps'"),
        (["--activation", "swish"], "'swish'.*--activation.*gelu_tanh"),
        (["--stepz", "3"], "--stepz.*Perhaps you meant --steps"),
        (["steps"], "Unrecognized options: steps"),
        (["--device", "toaster"], "device is 'toaster'"),
        (["--n-embd", "1000000"], "takes at least .* GiB of memory"),
        (["--out", ""], "--out is empty"),
        (["--dataset", "https://x.org/a.txt"], "is a URL: download it"),
        (["--tokenizer", "bpe", "--vocab-size", "9" * 20], "it must be below 2"),
        (["--steps", "9" * 20], "steps is 9+; .*below 2"),
        (["--lr", "1"], "--lr, 1. Perhaps you meant --learning-rate"),
        (["--resume"], "holds no checkpoint to resume from"),
        (["--resume", "--overwrite"], "omit --overwrite"),
        (["--resume", "--preset", "nanogpt-cpu"], "omit --preset"),
    ],
)
def test_training_refuses(capsys, text, tmp_path, options, message):
    status = train_main("numpy", [*SMALL, "--dataset", text, *options, "--out", "run"])
    assert re.search(message, error_of(capsys, status))
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"], "nothing is written"


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("command", ["train", "sample"])
def test_a_framework_that_is_not_installed(tmp_path, text, trained, backend, command):
    options = ["--dataset", text, "--out", "run"] if command == "train" else ["--run", str(trained)]
    program = f"""
import runpy, sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == {backend!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent)
sys.argv[1:] = {options}
runpy.run_module("impls.{backend}.{command}", run_name="__main__")
"""
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert shown.returncode == 2
    assert re.fullmatch(rf"error: .*{backend}.*not installed.*\n", shown.stderr.decode())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--prompt", ""], "the prompt is empty"),
        (["--prompt", "Rømeo"], r"'ø' \(U\+00F8\), at line 1, column 2"),
        (["--prompt", "-x"], "A prompt that begins with - is given as --prompt=-x"),
        (["--num-samples", "0"], "num_samples is 0"),
        (["--top-p", "1.5"], "top_p is 1.5"),
        (["--top", "0"], "top is 0"),
        (["--run", "org/gpt2"], "there is no directory org/gpt2; .*hf download"),
        (["--perplexity", "auto", "--top", "3"], "--perplexity writes no text: omit --top"),
        (["--perplexity", "auto", "--num-samples", "3"], "omit --num-samples"),
        (["--dtype", "float16"], r"one of \('None', 'float32', 'float64'\)"),
        (["--device", "toaster"], "device is 'toaster'"),
    ],
)
def test_sampling_refuses(capsys, trained, options, message):
    assert re.search(
        message, error_of(capsys, sample_main("numpy", ["--run", str(trained), *options]))
    )


@pytest.mark.parametrize("content", ["fifo", b"\x1f\x8b\x08", b"PK\x03\x04", b"\xfd7zXZ\x00"])
def test_a_dataset_that_is_no_text(capsys, tmp_path, content):
    if content == "fifo":
        os.mkfifo(tmp_path / "file")
    else:
        (tmp_path / "file").write_bytes(content)
    message = error_of(capsys, train_main("numpy", ["--dataset", "file", "--out", "run"]))
    assert ("not a regular file" if content == "fifo" else "is compressed") in message


def test_what_is_in_a_run_stands_for_it(capsys, trained):
    newest = newest_checkpoint(trained)
    for path in (trained, newest, newest.parent, newest / "model.safetensors"):
        assert sample_main("numpy", ["--run", str(path), "--max-new-tokens", "9"]) == 0
    outputs = capsys.readouterr().out
    assert outputs == outputs[: len(outputs) // 4] * 4


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("words", [["train.py"], ["-m", "sample"]], ids=" ".join)
def test_started_from_inside_a_backend(backend, words):
    ended = subprocess.run(
        [sys.executable, *words], cwd=ROOT / "impls" / backend, capture_output=True, check=False
    )
    command = f"python -m impls.{backend}.{'train' if 'train.py' in words else 'sample'}"
    shown = f"from the top of the repository: {command}\n"
    assert (ended.returncode, ended.stderr.decode()) == (2, shown)


def test_a_backend_that_does_not_exist(capsys, trained):
    for main, options in ((train_main, []), (sample_main, ["--run", str(trained)])):
        assert "no backend 'tensorflow'" in error_of(capsys, main("tensorflow", options))
    assert not Path("runs").exists()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_that_was_never_trained(capsys, backend, tmp_path):
    shown = error_of(capsys, sample_main(backend, []))
    assert f"runs/{backend} holds no trained model" in shown
    assert shown.endswith(f"python -m impls.{backend}.train\n")
    (tmp_path / "empty").mkdir()
    shown = error_of(capsys, sample_main(backend, ["--run", "empty"]))
    assert shown.endswith(f"python -m impls.{backend}.train --out empty\n")


def test_a_run_is_neither_lost_nor_mixed_with_another(capsys, text):
    options = [*SMALL, "--dataset", text, "--out", "run"]
    assert train_main("numpy", options) == 0
    capsys.readouterr()
    before = Path("run/metrics.jsonl").read_bytes()
    assert "already holds a run" in error_of(capsys, train_main("numpy", options))
    # With --overwrite and an invalid input, the old run stays.
    for bad in (["--dataset", "bible"], ["--n-head", "3"], ["--device", "toaster"]):
        error_of(capsys, train_main("numpy", [*options, "--overwrite", *bad]))
    assert Path("run/metrics.jsonl").read_bytes() == before
    assert newest_checkpoint("run").name == "000006"
    assert train_main("numpy", [*options, "--overwrite", "--steps", "4"]) == 0
    assert [path.name for path in Path("run/checkpoints").iterdir()] == ["000004"]
