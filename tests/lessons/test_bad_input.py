"""Bad input to a lesson is an error of a line or two and status 2, and nothing is written."""

import re
import shlex
from pathlib import Path

import pytest

from audits import bench
from lessons import attention, attention_steps, bigram, temperatures, walk
from lessons.compare import __main__ as compare
from lessons.relay import __main__ as relay
from lessons.tokenizers import __main__ as tokenizers
from tests.command_line import error_of
from tests.guests import HEALTHY

RUN = "--backend numpy --run TRAINED"
TEXT = "--dataset TRAINED/../text.txt"

LESSONS = {
    "attention": (attention.main, f"{RUN} --prompt a"),
    "attention_steps": (attention_steps.main, ""),
    "bench": (bench.main, ""),
    "bigram": (bigram.main, TEXT),
    "compare": (compare.main, TEXT),
    "relay": (relay.main, TEXT),
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
    ("attention", "--head -1", "no head -1"),
    ("attention", "--backend tensorflow", "no backend 'tensorflow'"),
    ("attention", "--backend closed", "'closed' has no trace"),
    ("attention", "--device toaster", "device is 'toaster'"),
    ("attention", "--out no/such/place.png", "cannot write no/such/place.png"),
    (
        "attention",
        "--run no --backend jax",
        "no trained model; train one: python -m impls.jax.train",
    ),
    ("attention_steps", "--sheep", "--sheep"),
    ("attention_steps", "--backend closed", "has no attention_steps"),
    ("bench", "--fast", "--fast"),
    ("bench", "--rounds 0", "rounds is 0"),
    ("bench", "--vocab-size 0", "vocab_size is 0"),
    ("bench", "--preset nosuch", "no preset 'nosuch'"),
    ("bigram", "--steps 0", "steps is 0"),
    ("bigram", "--dataset nowhere.txt", "nowhere.txt"),
    ("bigram", "--sheep 1", "--sheep"),
    ("bigram", "--learning-rate -1", "learning_rate is -1"),
    ("bigram", "--tokenizer letters", "letters"),
    ("bigram", "--tokenizer bpe --vocab-size 100", "100"),
    ("compare", "--stps 3", "--stps"),
    ("compare", "--steps 0", "steps is 0"),
    ("compare", "--preset nosuch", "no preset 'nosuch'"),
    ("compare", "--prompt ''", "the prompt is empty"),
    ("compare", "--prompt é", "é"),
    ("relay", "--order torch nosuch", "no backend 'nosuch'"),
    ("relay", "--order numpy", "two backends or more"),
    ("relay", "--order", "two backends or more"),
    ("relay", "--steps 2", "a relay of 3 legs needs 3"),
    ("relay", "--seed -1", "seed is -1"),
    ("relay", "--fast", "--fast"),
    ("temperatures", "--temperatures", "name a temperature or more"),
    ("temperatures", "--temperatures 1 -1", "temperature is -1.0"),
    ("temperatures", "--temperatures nan", "temperature is nan"),
    ("temperatures", "--temperatures warm", "warm"),
    ("temperatures", "--prompt ''", "the prompt is empty"),
    ("temperatures", "--max-new-tokens -1", "max_new_tokens is -1"),
    ("temperatures", "--backend closed", "'closed' has no generate"),
    ("tokenizers", "--text ''", "the text is empty"),
    ("tokenizers", "--steps -1", "steps is -1"),
    ("tokenizers", "--backend nosuch", "no backend 'nosuch'"),
    ("tokenizers", "--words", "--words"),
    ("untrained walk", "--text ''", "empty text"),
    ("walk", "--layer 1", "there is no layer 1; this model has only 0"),
    ("walk", "--layer -1", "there is no layer -1"),
    ("walk", "--head 2", "there is no head 2; this model has 0 to 1"),
    ("walk", "--text ''", "there is no token"),
    ("walk", "--text Rømeo", r"'ø' \(U\+00F8\)"),
    ("walk", "--backend closed", "has no trace"),
    ("walk", "--untrained", "omit --run"),
    ("walk", "--run no", "no holds no trained model.*python -m impls.numpy.train.*--untrained"),
    ("walk", "--sheep", "--sheep"),
]


@pytest.mark.parametrize(("lesson", "options", "message"), BAD)
def test_bad_input_is_one_line(
    lesson: str,
    options: str,
    message: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "guests").mkdir()
    (tmp_path / "guests" / "closed.py").write_text(f"{HEALTHY}\n\ndel Guest.trace\n")
    monkeypatch.syspath_prepend(tmp_path / "guests")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    main, good = LESSONS[lesson]
    words = shlex.split(f"{good} {options}".replace("TRAINED", str(trained)))
    assert re.search(message, error_of(capsys, main(words)).replace("\n", " ").strip())
    assert not list(Path().iterdir())
