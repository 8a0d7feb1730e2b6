"""The command lines of training and sampling, as a user at a keyboard sees them."""

import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import pytest

from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from shared.commands.options import TrainOptions, parse_train, program
from shared.commands.sample import sample_main
from shared.commands.train import train_main
from shared.config import GPTConfig, SampleConfig, TrainConfig, load_preset
from shared.layout import init_weights
from shared.protocol import BACKENDS
from shared.runs.metrics import read_metrics
from shared.sources import ROOT
from shared.text.tokenizers import build_tokenizer
from tests.command_line import SMALL, TEXT, cells_of, error_of, run_python, start


def options_of(*argv: str) -> TrainOptions:
    return parse_train("numpy", argv, lambda run: pytest.fail("no checkpoint is wanted"))[0]


# Options


def test_help_is_readable_and_quick():
    code = (
        "import sys; from shared.commands.train import train_main\n"
        "from shared.commands.sample import sample_main\n"
        f"for backend in {BACKENDS}:\n"
        "    assert train_main(backend, ['--help', '--preset', 'gpt2']) == 0\n"
        "    assert sample_main(backend, ['--help']) == 0\n"
        "assert not {'torch', 'jax', 'matplotlib'} & sys.modules.keys(), 'slow to import'"
    )
    shown = run_python("-c", code)
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    text = shown.stdout
    for backend in BACKENDS:
        for command in ("train", "sample"):
            assert f"usage: python -m impls.{backend}.{command}" in text
        assert f"(default: runs/{backend})" in text
    for config in (GPTConfig, TrainConfig, SampleConfig):
        for field in fields(config):
            assert f"--{field.name.replace('_', '-')}" in text
    assert len(re.findall(r"--vocab-size", text)) == len(BACKENDS)
    one_line = " ".join(text.replace("│", " ").split())
    for shown in (
        "--grad-clip FLOAT Largest global norm of the gradient",
        "--n-embd INT Width of the residual stream, C. (default: 64)",  # the preset's values
        "What a token is. (default: bpe)",
        "byte and char know their own. (default: 512)",
        "(default: gpt2)",
    ):
        assert one_line.count(shown) == len(BACKENDS)


def test_an_option_on_the_line_beats_the_preset():
    preset = load_preset()
    assert preset.name == "nanogpt-cpu"
    assert options_of().train == preset.train
    assert options_of().model.bias is False
    given = options_of("--bias", "--no-tie-weights", "--beta2", "0.9", "--seed", "5")
    # bias is True and tie_weights False in GPTConfig itself: an option counts because it is given.
    assert (given.model.bias, given.model.tie_weights) == (True, False)
    assert (given.train.beta2, given.train.seed) == (0.9, 5)
    assert given.train.learning_rate == preset.train.learning_rate
    assert options_of("--n-inner", "7").model.config(65).inner_size == 7
    of_preset = preset.model | {"n_layer": 3}
    assert options_of("--n_layer=3").model.config(65) == GPTConfig(65, **of_preset)


# Resuming and stopping


def test_what_may_change_on_resuming(text, tmp_path):
    assert train_main("numpy", [*SMALL, "--dataset", text, "--out", "run"]) == 0
    (tmp_path / "text.txt").rename(tmp_path / "moved.txt")
    more = ["--steps", "9", "--eval-interval", "2", "--dataset", "moved.txt", "--block-size", "8"]
    assert train_main("numpy", ["--out", "run", "--resume", *more]) == 0
    rows = read_metrics(Path("run/metrics.jsonl"))
    assert [row.step for row in rows] == list(range(10))
    assert [row.step for row in rows if row.val_loss is not None] == [0, 6, 8, 9]
    saved = load_checkpoint(newest_checkpoint("run"))
    assert (saved.training.step, saved.training.train.steps) == (9, 9)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_training_saves_and_says_where(text, tmp_path, number):
    out = tmp_path / "run"
    options = [*SMALL, "--dataset", text, "--out", out, "--checkpoint-interval", 1000000]
    with start("numpy", "train", *options, "--steps", 1000000) as process:
        while len(read_metrics(out / "metrics.jsonl")) < 5:
            assert process.poll() is None
            time.sleep(0.02)
        if number == signal.SIGHUP:  # the terminal is gone
            process.stderr.close()
        process.send_signal(number)
        process.send_signal(number)  # impatience does not spoil the saving
        stdout, stderr = (shown.decode() for shown in process.communicate(timeout=60))
    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in stderr
    checkpoint = newest_checkpoint(out)
    rows = read_metrics(out / "metrics.jsonl")
    assert rows[-1].step == int(checkpoint.name) == len(rows) - 1
    if number != signal.SIGHUP:
        assert f"saved {checkpoint}" in stderr
        assert f"python -m impls.numpy.train --out {out} --resume" in stderr
    assert load_checkpoint(checkpoint).moments is not None
    assert (out / "loss.png").exists()


def test_training_works_outside_the_main_thread(text):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(train_main, "numpy", [*SMALL, "--dataset", text]).result() == 0


def test_a_limit_is_no_failure_and_says_which_it_was(capsys, text):
    assert train_main("numpy", [*SMALL, "--dataset", text, "--max-seconds", "1e-6"]) == 0
    said = capsys.readouterr().err
    assert "stopped at step 1: --max-seconds 1e-06 are over; saved runs/numpy" in said
    assert train_main("numpy", ["--resume", "--keep-checkpoints", "1"]) == 0
    assert newest_checkpoint("runs/numpy").name == "000006"


@pytest.mark.parametrize(("main", "options"), [(sample_main, []), (train_main, ["--resume"])])
def test_a_damaged_checkpoint_is_not_the_end(capsys, text, main, options):
    """The message names the one before it."""
    assert train_main("numpy", [*SMALL, "--dataset", text, "--checkpoint-interval", "3"]) == 0
    weights = Path("runs/numpy/checkpoints/000006/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    capsys.readouterr()
    said = error_of(capsys, main("numpy", options))
    assert "truncated" in said
    assert "move the damaged one away to use runs/numpy/checkpoints/000003" in said
    weights.parent.rename("damaged")
    assert main("numpy", options) == 0


# The output


def test_the_table_is_printed_instead_of_a_text(capsys, trained) -> None:
    """test_shared_sampling.py in the suite checks its numbers."""
    options = ["--run", str(trained), "--prompt", "ROMEO:", "--seed", "3"]
    assert sample_main("numpy", [*options, "--top", "4"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    rows = cells_of(shown.out)
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert len(rows[0]) == 5, "nothing was asked for that changes the probabilities"
    p = [float(row[3]) for row in rows]
    assert p == sorted(p, reverse=True)
    rest = re.search(rf"the other {len(set(TEXT)) - 4} tokens together: (0\.\d{{4}})", shown.out)
    assert rest
    assert sum(p) + float(rest[1]) == pytest.approx(1, abs=5e-4)
    assert sample_main("numpy", [*options, "--max-new-tokens", "1"]) == 0
    written = capsys.readouterr().out.removeprefix("ROMEO:")[0]
    seen = {" ": "␣", "\n": "\\n", "\t": "\\t"}.get(written, written)
    assert f"written with --seed 3: {seen}, for u" in shown.out


def test_both_probabilities_are_shown_where_they_differ(capsys, trained) -> None:
    options = ["--run", str(trained), "--top", "5", "--top-k", "2", "--temperature", "0.5"]
    assert sample_main("numpy", options) == 0
    rows = cells_of(capsys.readouterr().out)
    p, drawn = ([float(row[column]) for row in rows] for column in (3, 4))
    assert drawn[0] + drawn[1] == pytest.approx(1, abs=2e-4)
    assert drawn[0] / drawn[1] == pytest.approx((p[0] / p[1]) ** 2, rel=0.01)
    assert [row[4] for row in rows[2:]] == ["0", "0", "0"]


def test_a_prompt_longer_than_the_window_is_used_from_its_end(capsys, trained):
    options = ["--run", str(trained), "--temperature", "0", "--max-new-tokens", "5"]
    assert sample_main("numpy", [*options, "--prompt", "window breaks?"]) == 0
    long = capsys.readouterr()
    said = "note: the prompt has 14 tokens; the model sees only the last 8 of them (block_size)\n"
    assert long.err == said
    assert sample_main("numpy", [*options, "--prompt", " breaks?", "--dtype", "float64"]) == 0
    short = capsys.readouterr()
    assert short.err == ""
    assert long.out == "window" + short.out


def test_words_of_a_prompt_that_are_unknown_are_named(capsys, tmp_path):
    tokenizer = build_tokenizer("word", "to be or not to be")
    config = GPTConfig(tokenizer.vocab_size, 16, 1, 2, 8)
    save_checkpoint(tmp_path / "model", config, init_weights(config, 0), tokenizer=tokenizer)
    options = ["--run", str(tmp_path / "model"), "--max-new-tokens", "2"]
    assert sample_main("numpy", [*options, "--prompt", "to zebra or not quagga"]) == 0
    said = "note: the tokenizer does not know 'zebra', 'quagga': read as <unk>\n"
    assert capsys.readouterr().err == said
    assert sample_main("numpy", [*options, "--prompt", "to be or not"]) == 0
    assert capsys.readouterr().err == ""


def test_text_comes_as_it_is_made_and_interrupting_it_is_quiet(trained):
    options = ["--run", trained, "--prompt", "ROMEO:", "--max-new-tokens", 1000000]
    # Tests started in the background of a shell ignore SIGINT, and a child process inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with start("numpy", "sample", *options) as process:
        signal.signal(signal.SIGINT, before)
        assert process.stdout.read(20).startswith(b"ROMEO:")
        assert process.poll() is None, "more is still being written"
        process.send_signal(signal.SIGINT)
        stderr = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130
    assert "Traceback" not in stderr


def test_hints_in_a_nox_session_name_that_session(monkeypatch):
    """Its environment has the packages; the user's own Python may lack them."""
    assert program("torch", "sample") == "python -m impls.torch.sample"
    monkeypatch.setenv("NOX_CURRENT_SESSION", "train-torch")
    assert program("torch", "sample") == "nox -s sample-torch --"
    assert program("my.gpt", "train") == "python -m my.gpt.train"


# Where a command cannot begin; tests/house/test_bad_input.py has the options that it refuses


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_framework_that_is_not_installed(capsys, monkeypatch, text, trained, backend):
    monkeypatch.setitem(sys.modules, backend, None)  # an import of it fails
    for name in [name for name in sys.modules if name.startswith(f"impls.{backend}.")]:
        monkeypatch.delitem(sys.modules, name)
    for main, options in (
        (train_main, ["--dataset", text, "--out", "run"]),
        (sample_main, ["--run", str(trained)]),
    ):
        shown = error_of(capsys, main(backend, options))
        assert re.fullmatch(rf"error: .*{backend}.*not installed.*\n", shown)
    assert not Path("run").exists()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("words", [["train.py"], ["-m", "sample"]], ids=" ".join)
def test_started_from_inside_a_backend(backend, words):
    ended = run_python(*words, cwd=ROOT / "impls" / backend)
    command = f"python -m impls.{backend}.{'train' if 'train.py' in words else 'sample'}"
    shown = f"from the top of the repository: {command}\n"
    assert (ended.returncode, ended.stderr) == (2, shown)


def test_what_is_in_a_run_stands_for_it(capsys, trained):
    newest = newest_checkpoint(trained)
    for path in (trained, newest, newest.parent, newest / "model.safetensors"):
        assert sample_main("numpy", ["--run", str(path), "--max-new-tokens", "9"]) == 0
    outputs = capsys.readouterr().out
    assert outputs == outputs[: len(outputs) // 4] * 4


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
