"""The comparison and the benchmark: equal tasks, separate measurements, short errors."""

import math
import os

import pytest

from lessons.alone import run_alone
from lessons.compare import __main__ as comparison
from lessons.compare.training import Report, Task
from shared.config import GPTConfig, load_preset
from shared.errors import BackendError, ConfigError
from shared.text.tokenizers import build_tokenizer
from tests.command_line import TEXT

CONFIG = GPTConfig(vocab_size=5, block_size=8, n_layer=2, n_head=2, n_embd=8)


def test_a_function_runs_in_another_process() -> None:
    """Functions that import little: each process is a new Python."""
    assert run_alone(os.getpid) != os.getpid()
    assert run_alone(divmod, 42, 4) == (10, 2)
    with pytest.raises(ConfigError, match="no preset 'luck'"):
        run_alone(load_preset, "luck")
    with pytest.raises(BackendError, match="process of false ended"):
        run_alone(os.execvp, "false", ["false"])


def test_all_backends_learn_and_write_the_same(tiny, monkeypatch, capsys) -> None:
    """In this process; the commands of README.md start one for every backend."""
    reports: dict[str, Report] = {}

    def train_here(function, backend: str, task: Task) -> Report:
        reports[backend] = function(backend, task)
        return reports[backend]

    monkeypatch.setattr(comparison, "run_alone", train_here)
    options = ["--steps", "20", "--max-new-tokens", "6", "--prompt", "But"]
    assert comparison.main([*tiny, *options]) == 0
    shown = capsys.readouterr()
    for backend, report in reports.items():
        assert len(report.losses) == 20
        assert report.losses == pytest.approx(reports["numpy"].losses, abs=1e-5)
        assert report.val_loss == pytest.approx(reports["numpy"].val_loss, abs=1e-5)
        assert report.val_loss < math.log(len(set(TEXT)))
        assert len(report.sample) == 6
        assert report.sample == reports["numpy"].sample
        assert f"--- {backend}\nBut" in shown.out
        assert f"{backend}: 20 steps" in shown.err
    assert list(reports) == ["numpy", "torch", "jax"]
    assert "all write the same 6 tokens" in shown.out
    assert "validation loss" in shown.out


def report(losses: list[float], sample: list[int]) -> Report:
    return Report(losses, losses[-1], 1.0, 0.01, 1000.0, sample)


def test_the_table_shows_the_largest_difference() -> None:
    reports = {"numpy": report([3.0], []), "torch": report([3.25], []), "jax": report([3.5], [])}
    table = comparison.side_by_side(reports)
    cells = [list(column.cells) for column in table.columns]
    assert cells[0][:2] == ["loss at step 1", "validation loss"]
    assert cells[4][:2] == ["5.0e-01", "5.0e-01"]
    assert cells[4][2:] == ["", "", ""]  # times are not expected to agree


def test_samples_say_how_far_they_are_the_same() -> None:
    tokenizer = build_tokenizer("char", "abc")
    a, b = (tokenizer.encode(text).tolist() for text in ("abca", "abcc"))
    reports = {"numpy": report([1.0], a), "torch": report([1.0], b)}
    assert "same first 3 tokens" in comparison.samples(reports, tokenizer, "c")[0]
