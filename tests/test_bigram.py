"""The bigram baseline's command line, in the three rooms."""

import math
import re

import numpy as np
import pytest

from shared.backend import BACKENDS
from shared.bigram import bigram_main, log_frequencies
from tests.command_line import TEXT, error_of

pytestmark = pytest.mark.usefixtures("empty_directory")


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_approaches_counting(backend: str, text: str, capsys) -> None:
    options = ["--dataset", text, "--steps", "60", "--batch-size", "4"]
    assert bigram_main(backend, options) == 0
    lines = capsys.readouterr().out.splitlines()
    uniform, counted, *trained = (float(re.findall(r"\d\.\d{4}", line)[0]) for line in lines[:12])
    assert uniform == pytest.approx(math.log(len(set(TEXT))), abs=1e-4)
    assert len(trained) == 10
    assert trained[0] > trained[-1]
    assert counted < 0.5 * uniform
    assert abs(trained[-1] - counted) < 0.3  # adding one counts for much in a text this short


def test_counts_plus_one_are_probabilities() -> None:
    log_p = log_frequencies(np.array([[2, 0], [0, 0]]))
    np.testing.assert_allclose(np.exp(log_p), [[3 / 4, 1 / 4], [1 / 2, 1 / 2]])


@pytest.mark.parametrize(
    "options",
    [["--steps", "0"], ["--dataset", "nowhere.txt"], ["--sheep", "1"], ["--learning-rate", "-1"]],
)
def test_bad_input(options: list[str], capsys) -> None:
    error_of(capsys, bigram_main("numpy", options))
