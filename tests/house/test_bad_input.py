"""Bad input to any command is an error of a line or two, and nothing is written."""

import os
import re
import shlex
import tomllib
from functools import partial
from pathlib import Path

import pytest

from audits import bench
from audits.mutants import __main__ as mutants
from audits.mutants import show
from audits.reliability import __main__ as reliability
from audits.results import __main__ as results
from conformance.fuzz import __main__ as fuzz
from lessons import attention, attention_steps, bigram, curves, tokenizers, walk
from lessons.compare import __main__ as compare
from lessons.gpt2 import __main__ as gpt2
from lessons.ladder import __main__ as ladder
from lessons.relay import __main__ as relay
from shared.checkpoints.checkpoint import save_checkpoint
from shared.commands import export
from shared.commands.sample import sample_main
from shared.commands.train import train_main
from shared.config import GPTConfig
from shared.layout import init_weights
from shared.sources import ROOT
from shared.text.tokenizers import build_tokenizer
from tests.command_line import SMALL, error_of
from tests.guests import GUESTS

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
    "tokenizers": (tokenizers.main, TEXT),
    "train": (partial(train_main, "numpy"), f"{shlex.join(SMALL)} {TEXT} --out run"),
    "tune": (partial(train_main, "numpy"), f"--init-from TRAINED {TEXT} --out run"),
    "untrained sample": (partial(sample_main, "numpy"), ""),
    "untrained walk": (walk.main, "--untrained"),
    "walk": (walk.main, f"{RUN} --text soft"),
}
"""The commands, with valid options."""

TABLE = tomllib.loads(Path(__file__).with_name("bad_input.toml").read_text(encoding="utf-8"))
BAD = [(command, *line) for command, lines in TABLE.items() for line in lines.items()]
"""A command, more options, and what is said."""

CONTENTS = {
    "closed.py": f"{GUESTS['healthy']}\n\ndel Guest.trace\n".encode(),
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
    given = f"{good} {options}".replace("ROOT", str(ROOT))
    given = given.replace("TRAINED", str(trained)).replace("FILES", str(files))
    said = error_of(capsys, main(shlex.split(given)))
    assert re.search(message, said.replace("\n", " ").strip())
    assert not list(Path().iterdir())
