"""Bad input to any command is an error of a line or two, and nothing is written."""

import os
import re
import shlex
from functools import partial
from pathlib import Path

import pytest

from audits import bench
from audits.mutants import __main__ as mutants
from audits.mutants import show
from audits.reliability import __main__ as reliability
from audits.results import __main__ as results
from conformance.fuzz import __main__ as fuzz
from lessons import attention, attention_steps, bigram, curves, temperatures, walk
from lessons.compare import __main__ as compare
from lessons.gpt2 import __main__ as gpt2
from lessons.ladder import __main__ as ladder
from lessons.relay import __main__ as relay
from lessons.tokenizers import __main__ as tokenizers
from shared.checkpoints.checkpoint import save_checkpoint
from shared.commands import export
from shared.commands.sample import sample_main
from shared.commands.train import train_main
from shared.config import GPTConfig
from shared.layout import init_weights
from shared.sources import ROOT
from shared.text.tokenizers import build_tokenizer
from tests.command_line import SMALL, error_of
from tests.guests import HEALTHY

RUN = "--backend numpy --run TRAINED"
TEXT = "--dataset TRAINED/../text.txt"

COMMANDS = {
    "attention": (attention.main, f"{RUN} --prompt a"),
    "attention_steps": (attention_steps.main, ""),
    "bench": (bench.main, ""),
    "bigram": (bigram.main, TEXT),
    "break": (show.main, ""),
    "compare": (compare.main, TEXT),
    "curves": (curves.main, ""),
    "exercise": (ladder.main, ""),
    "export": (export.main, "--run TRAINED --to gpt2"),
    "fuzz": (fuzz.main, ""),
    "gpt2": (gpt2.main, "--run TRAINED"),
    "mutants": (mutants.main, ""),
    "relay": (relay.main, TEXT),
    "reliability": (reliability.main, ""),
    "results": (results.main, ""),
    "sample": (partial(sample_main, "numpy"), "--run TRAINED"),
    "temperatures": (temperatures.main, RUN),
    "tokenizers": (tokenizers.main, TEXT),
    "train": (partial(train_main, "numpy"), f"{shlex.join(SMALL)} {TEXT} --out run"),
    "tune": (partial(train_main, "numpy"), f"--init-from TRAINED {TEXT} --out run"),
    "untrained sample": (partial(sample_main, "numpy"), ""),
    "untrained walk": (walk.main, "--untrained"),
    "walk": (walk.main, f"{RUN} --text soft"),
}
"""The commands, with valid options."""

BAD = [
    ("attention", "--prompt ''", "the prompt is empty"),
    ("attention", "--prompt ø", "does not know 'ø'"),
    ("attention", "--layer 1", "no layer 1; this model has only 0"),
    ("attention", "--head 2", "no head 2; this model has 0 to 1"),
    ("attention", "--backend closed", "'closed' has no trace"),
    ("attention", "--device toaster", "device is 'toaster'"),
    ("attention", "--out no/such/place.png", "cannot write no/such/place.png"),
    ("attention", "--run no --backend jax", "no trained model.*: python -m impls.jax.train"),
    ("attention_steps", "--backend closed", "has no attention_steps"),
    ("bench", "--rounds 0", "rounds is 0"),
    ("bigram", "--steps 0", "steps is 0"),
    ("bigram", "--dataset FILES/short.txt", "is too short"),
    ("break", "no_such_bug", "no_such_bug"),
    ("break", "swap_qk --backend lisp", "lisp"),
    ("compare", "--stps 3", "--stps"),
    ("compare", "--prompt ''", "the prompt is empty"),
    ("curves", "", "name the runs to draw"),
    ("curves", "bad", "bad is not a run: bad/metrics.jsonl has no metrics or is not there"),
    ("curves", "FILES/damaged", "metrics.jsonl, line 1, is not a row of metrics"),
    ("curves", "FILES/unfinished", "has no validation loss"),
    ("curves", "TRAINED --out no/such.png", "cannot write no/such.png"),
    ("exercise", "--solution nobody", "there is no folder 'nobody'"),
    ("exercise", f"--solution {ROOT}/shared", "shared is not a backend"),
    ("export", "--to FILES", "is there already"),
    ("export", "--run FILES/post", "a post-norm model is no GPT-2"),
    ("fuzz", "--minutes 0", "minutes is 0.0"),
    ("fuzz", "--minutes nan", "minutes is nan"),
    ("fuzz", "--minutes soon", "--minutes: could not convert"),
    ("fuzz", "--seed -1", "seed is -1"),
    ("fuzz", "--backend numpy", "no other backend to agree with"),
    ("fuzz", "--none", "Unrecognized options: --none"),
    ("gpt2", "--backends", "name a backend or more"),
    ("gpt2", "--backends numpy lisp", "no backend 'lisp'"),
    ("gpt2", "--prompt ''", "the prompt is empty"),
    ("mutants", "no_such_bug", "no_such_bug"),
    ("mutants", "--generic -1", "--generic takes how many"),
    ("relay", "--order torch nosuch", "no backend 'nosuch'"),
    ("relay", "--out TRAINED", "run is not an empty directory"),
    ("relay", "--order numpy", "two backends or more"),
    ("relay", "--steps 2", "a relay of 3 legs needs 3"),
    ("reliability", "--kills -1", "kills is -1"),
    ("reliability", "--processes 0", "processes is 0"),
    ("reliability", "--case 3", "--only"),
    ("reliability", "--only kills --case cobol-1", "there is no case 'cobol-1'"),
    ("results", "--preset gpt5", "there is no preset 'gpt5'"),
    ("sample", "--prompt ''", "the prompt is empty"),
    ("sample", "--prompt Rømeo", r"'ø' \(U\+00F8\), at line 1, column 2"),
    ("sample", "--prompt -x", "A prompt that begins with - is given as --prompt=-x"),
    ("sample", "--num-samples 0", "num_samples is 0"),
    ("sample", "--top-p 1.5", "top_p is 1.5"),
    ("sample", "--top 0", "top is 0"),
    ("sample", "--run org/gpt2", "there is no directory org/gpt2; .*hf download"),
    ("sample", "--perplexity auto --top 3", "--perplexity writes no text: omit --top"),
    ("sample", "--perplexity auto --num-samples 3", "omit --num-samples"),
    ("sample", "--dtype float16", r"one of \('None', 'float32', 'float64'\)"),
    ("sample", "--device toaster", "device is 'toaster'"),
    ("sample", "--run no", "no holds no trained model.*impls.numpy.train --out no$"),
    ("sample", "--run FILES/large", "takes at least 32,768 GiB of memory"),
    ("sample", "--perplexity FILES/letter.txt", "has 1 token"),
    ("sample", "--perplexity FILES/odd.txt", "'é'"),
    ("sample", "--perplexity FILES/empty.txt", "is empty"),
    ("temperatures", "--temperatures", "name a temperature or more"),
    ("temperatures", "--temperatures 1 -1", "temperature is -1.0"),
    ("temperatures", "--backend closed", "'closed' has no generate"),
    ("tokenizers", "--text ''", "the text is empty"),
    ("tokenizers", "--steps -1", "steps is -1"),
    ("train", "--preset gpt5", "there is no preset 'gpt5'; there are: .*nanogpt-cpu"),
    ("train", "--dataset bible", "neither a dataset nor a file 'bible'"),
    ("train", "--dataset FILES/fifo", "not a regular file"),
    ("train", "--dataset FILES/zip", "is compressed"),
    ("train", "--dataset FILES/gz", "is compressed"),
    ("train", "--dataset FILES/xz", "is compressed"),
    ("train", "--dataset https://x.org/a.txt", "is a URL: download it"),
    ("train", "--tokenizer chars --dataset bible", "no tokenizer 'chars'; .*byte, char"),
    ("train", "--vocab-size 9", "vocab_size is 9"),
    ("train", "--block-size 9999", r"text.txt is too short: .* a block_size of 9999 needs 10000"),
    ("train", "--n-head 3", "n_embd 8 is not divisible by n_head 3"),
    ("train", "--min-lr 1", "min_lr 1.0 is above learning_rate"),
    ("train", "--steps", "Missing value for argument '--steps'"),
    ("train", "--activation swish", "'swish'.*--activation.*gelu_tanh"),
    ("train", "--stepz 3", "--stepz.*Perhaps you meant --steps"),
    ("train", "steps", "Unrecognized options: steps"),
    ("train", "--device toaster", "device is 'toaster'"),
    ("train", "--n-embd 1000000", "takes at least .* GiB of memory"),
    ("train", "--out ''", "--out is empty"),
    ("train", f"--tokenizer bpe --vocab-size {'9' * 20}", "it must be below 2"),
    ("train", f"--steps {'9' * 20}", "steps is 9+; .*below 2"),
    ("train", "--lr 1", "--lr, 1. Perhaps you meant --learning-rate"),
    ("train", "--resume", "holds no checkpoint to resume from"),
    ("train", "--resume --overwrite", "omit --overwrite"),
    ("train", "--resume --preset nanogpt-cpu", "omit --preset"),
    ("tune", "--n-layer 2", "n_layer is 1 in .*run and cannot become 2: the weights are of that"),
    ("tune", "--tokenizer byte", "tokenizer is char in .*run and cannot become byte"),
    ("tune", "--resume", "--resume continues a run as it is; omit --init-from"),
    ("tune", "--dataset bible", "neither a dataset nor a file 'bible'"),
    ("tune", "--dataset FILES/short.txt", "short.txt is too short"),
    ("tune", "--dataset FILES/odd.txt", r"has 1 character .*tokenizer of .*run does not know"),
    ("tune", "--batch-size 1000000000", "takes at least .* GiB of memory"),
    ("tune", "--init-from nowhere", "there is no directory nowhere; .*hf download"),
    ("tune", "--init-from FILES/bare", "bare has no tokenizer.json"),
    ("untrained sample", "", "runs/numpy holds no trained model.*impls.numpy.train$"),
    ("untrained walk", "--text ''", "empty text"),
    ("walk", "--head 2", "there is no head 2; this model has 0 to 1"),
    ("walk", "--text ''", "there is no token"),
    ("walk", "--text Rømeo", r"'ø' \(U\+00F8\)"),
    ("walk", "--backend closed", "has no trace"),
    ("walk", "--untrained", "omit --run"),
    ("walk", "--run no", "no holds no trained model.*python -m impls.numpy.train.*--untrained"),
]

CONTENTS = {
    "closed.py": f"{HEALTHY}\n\ndel Guest.trace\n".encode(),
    "damaged/metrics.jsonl": b'{"step": "two"}\n',
    "unfinished/metrics.jsonl": b'{"step": 1, "loss": 3.0}\n',
    **{"empty.txt": b"", "letter.txt": b"t", "short.txt": b"It is"},
    "odd.txt": ("what light breaks? It is the east: soft!\n" * 60 + "é").encode(),
    **{"gz": b"\x1f\x8b\x08", "zip": b"PK\x03\x04", "xz": b"\xfd7zXZ\x00"},
}
"""The content of files, by name."""

MODELS = {
    "bare": (GPTConfig(3, 8, 1, 1, 8), None),
    "large": (GPTConfig(3, 2**40, 1, 1, 8, position="sinusoidal"), "char"),  # in a file of 20 kB
    "post": (GPTConfig(3, 8, 1, 1, 8, norm="post"), "char"),
}
"""The config of checkpoints and their tokenizer, by name."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that the commands cannot use. Read-only."""
    directory = tmp_path_factory.mktemp("files")
    for name, content in CONTENTS.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content)
    for name, (config, kind) in MODELS.items():
        tokenizer = build_tokenizer(kind, "\nab") if kind else None
        save_checkpoint(directory / name, config, init_weights(config, 0), tokenizer=tokenizer)
    os.mkfifo(directory / "fifo")
    return directory


@pytest.mark.parametrize(("command", "options", "message"), BAD)
def test_bad_input_is_one_line(
    command, options, message, trained, files, tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(files)
    monkeypatch.chdir(tmp_path)
    main, good = COMMANDS[command]
    given = f"{good} {options}".replace("TRAINED", str(trained)).replace("FILES", str(files))
    said = error_of(capsys, main(shlex.split(given)))
    assert re.search(message, said.replace("\n", " ").strip())
    assert not list(Path().iterdir())
