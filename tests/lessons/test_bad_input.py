"""Bad input to a lesson or audit is an error of a line or two, and nothing is written."""

import re
import shlex
from pathlib import Path

import pytest

from audits import bench
from audits.mutants import __main__ as mutants
from audits.mutants import show
from audits.reliability import __main__ as reliability
from audits.results import __main__ as results
from lessons import attention, attention_steps, bigram, curves, temperatures, walk
from lessons.compare import __main__ as compare
from lessons.gpt2 import __main__ as gpt2
from lessons.relay import __main__ as relay
from lessons.tokenizers import __main__ as tokenizers
from tests.command_line import error_of
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
    "gpt2": (gpt2.main, "--run TRAINED"),
    "mutants": (mutants.main, ""),
    "relay": (relay.main, TEXT),
    "reliability": (reliability.main, ""),
    "results": (results.main, ""),
    "temperatures": (temperatures.main, RUN),
    "tokenizers": (tokenizers.main, TEXT),
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
    ("break", "no_such_bug", "no_such_bug"),
    ("break", "swap_qk --backend lisp", "lisp"),
    ("compare", "--stps 3", "--stps"),
    ("compare", "--prompt ''", "the prompt is empty"),
    ("curves", "", "name the runs to draw"),
    ("curves", "bad", "bad is not a run: bad/metrics.jsonl has no metrics or is not there"),
    ("curves", "TRAINED --out no/such.png", "cannot write no/such.png"),
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
    ("temperatures", "--temperatures", "name a temperature or more"),
    ("temperatures", "--temperatures 1 -1", "temperature is -1.0"),
    ("temperatures", "--backend closed", "'closed' has no generate"),
    ("tokenizers", "--text ''", "the text is empty"),
    ("tokenizers", "--steps -1", "steps is -1"),
    ("untrained walk", "--text ''", "empty text"),
    ("walk", "--head 2", "there is no head 2; this model has 0 to 1"),
    ("walk", "--text ''", "there is no token"),
    ("walk", "--text Rømeo", r"'ø' \(U\+00F8\)"),
    ("walk", "--backend closed", "has no trace"),
    ("walk", "--untrained", "omit --run"),
    ("walk", "--run no", "no holds no trained model.*python -m impls.numpy.train.*--untrained"),
]


@pytest.mark.parametrize(("command", "options", "message"), BAD)
def test_bad_input_is_one_line(command, options, message, trained, tmp_path, monkeypatch, capsys):
    (tmp_path / "guests").mkdir()
    (tmp_path / "guests" / "closed.py").write_text(f"{HEALTHY}\n\ndel Guest.trace\n")
    monkeypatch.syspath_prepend(tmp_path / "guests")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    main, good = COMMANDS[command]
    words = shlex.split(f"{good} {options}".replace("TRAINED", str(trained)))
    assert re.search(message, error_of(capsys, main(words)).replace("\n", " ").strip())
    assert not list(Path().iterdir())
