"""Bad input to any command is an error of a line or two, and nothing is written."""

import os
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from shared.checkpoints.checkpoint import save_checkpoint
from shared.config import GPTConfig
from shared.layout import init_weights
from shared.sources import ROOT
from shared.text.tokenizers import build_tokenizer
from tests.command_line import SMALL, error_of, run_main
from tests.guests import GUESTS

TABLE = tomllib.loads(Path(__file__).with_name("bad_input.toml").read_text(encoding="utf-8"))
BAD = [(command, *line) for command, lines in TABLE.items() for line in lines.items()]
"""A command, more options, and what is said."""

CONTENTS = {
    "closed.py": f"{GUESTS['healthy']}\n\ndel Guest.trace\n".encode(),
    "damaged/metrics.jsonl": b'{"step": "two"}\n',
    "unfinished/metrics.jsonl": b'{"step": 1, "loss": 3.0}\n',
    **{"empty.txt": b"", "letter.txt": b"t", "short.txt": b"It is"},
    "4097.txt": "".join(map(chr, range(0x4E00, 0x4E00 + 4097))).encode(),
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
def test_bad_input_is_one_line(command, options, message, trained, files, monkeypatch, capsys):
    monkeypatch.syspath_prepend(files)
    places = {"TRAINED": trained, "FILES": files, "ROOT": ROOT, "SMALL": shlex.join(SMALL)}
    given = f"{command} {options}"
    for name, place in places.items():
        given = given.replace(name, str(place))
    module, *words = shlex.split(given)
    said = error_of(capsys, run_main(module, words, monkeypatch))
    assert re.search(message, said.replace("\n", " ").strip())
    assert not list(Path().iterdir())
