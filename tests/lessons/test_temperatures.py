"""`python -m lessons.temperatures`: the same prompt, hotter and hotter."""

import math
import re

import pytest

from lessons.temperatures import main
from shared.commands.sample import sample_main
from tests.command_line import TEXT

pytestmark = pytest.mark.usefixtures("empty_directory")


def test_each_text_is_what_sampling_writes(capsys, trained) -> None:
    common = ["--run", str(trained), "--prompt", "ROMEO:", "--max-new-tokens", "4", "--seed", "5"]
    temperatures = ["--temperatures", "0", "0.5", "1", "8"]
    assert main([*common, "--backend", "numpy", *temperatures]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    introduction, *parts = re.split(r"\n--- temperature ", shown.out)
    assert len(introduction.splitlines()) == 2
    assert [part.split()[0] for part in parts] == ["0", "0.5", "1", "8"]
    for part in parts:
        heading, _, text = part.partition("\n")
        temperature = heading.split()[0]
        assert sample_main("numpy", [*common, "--temperature", temperature]) == 0
        assert text.rstrip("\n") == capsys.readouterr().out.rstrip("\n")
    bits = [float(re.search(r"(\d\.\d\d) bits", part)[1]) for part in parts]
    assert bits[0] == 0
    assert bits == sorted(bits), "hotter is more open"
    assert bits[1] < bits[3] <= math.log2(len(set(TEXT)))
