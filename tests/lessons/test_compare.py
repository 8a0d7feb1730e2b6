"""The comparison and the benchmark: equal tasks, separate measurements, short errors."""

import os
import sys

import numpy as np
import pytest

from audits.products import numpy_products
from lessons.alone import peak_memory, run_alone
from lessons.compare import __main__ as comparison
from lessons.compare.training import Report, Task, train_backend
from shared.config import GPTConfig, SampleConfig, TrainConfig
from shared.errors import BackendError, ConfigError
from shared.layout import init_weights
from shared.text.datasets import TokenData
from shared.text.tokenizers import build_tokenizer

CONFIG = GPTConfig(vocab_size=5, block_size=8, n_layer=2, n_head=2, n_embd=8)


@pytest.fixture
def task() -> Task:
    ids = np.arange(400) % 5
    return Task(
        config=CONFIG,
        weights=init_weights(CONFIG, seed=3),
        train=TrainConfig(steps=4, batch_size=3, warmup_steps=1),
        data=TokenData(ids[:300], ids[300:], val_bytes=99, floor=None),
        prompt=np.array([1, 2]),
        sampling=SampleConfig(max_new_tokens=6),
    )


# A separate process


def double_in_another_process(x: int) -> tuple[int, int]:
    return 2 * x, os.getpid()


def refuse(what: str) -> None:
    raise ConfigError(f"no {what}")


def die(backend: str) -> None:
    os._exit(9)


def test_a_function_runs_in_another_process() -> None:
    doubled, process = run_alone(double_in_another_process, 21)
    assert doubled == 42
    assert process != os.getpid()
    with pytest.raises(ConfigError, match=r"^no luck$"):
        run_alone(refuse, "luck")
    with pytest.raises(BackendError, match="process of torch ended"):
        run_alone(die, "torch")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count")
def test_peak_memory_is_in_bytes() -> None:
    peak = peak_memory()
    assert peak is not None
    assert 10 * 2**20 < peak < 2**40


# The comparison


def test_all_backends_learn_the_same(task: Task) -> None:
    reports = {name: train_backend(name, task) for name in ("numpy", "torch", "jax")}
    for report in reports.values():
        assert len(report.losses) == 4
        assert report.losses == pytest.approx(reports["numpy"].losses, abs=1e-5)
        assert report.val_loss == pytest.approx(reports["numpy"].val_loss, abs=1e-5)
        assert report.val_loss < np.log(5)
        assert report.sample == reports["numpy"].sample
        assert len(report.sample) == 6


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
    reports = {"numpy": report([1.0], a), "torch": report([1.0], a)}
    same = "\n".join(comparison.samples(reports, tokenizer, "c"))
    assert "same 4 tokens" in same
    assert same.count("cabca") == 2
    reports["torch"] = report([1.0], b)
    assert "same first 3 tokens" in comparison.samples(reports, tokenizer, "c")[0]


def test_the_command_prints_the_comparison_and_nothing_else(tmp_path, monkeypatch, capsys) -> None:
    text = tmp_path / "text.txt"
    text.write_text("To be, or not to be. " * 100, encoding="utf-8")
    # NumPy three times: tests of README.md compare the backends in separate processes.
    monkeypatch.setattr(comparison, "run_alone", lambda function, _, task: function("numpy", task))
    options = ["--preset", "classroom", "--steps", "2", "--max-new-tokens", "5", "--prompt", "To"]
    assert comparison.main([*options, "--dataset", str(text)]) == 0
    shown = capsys.readouterr()
    assert "validation loss" in shown.out
    for backend in ("numpy", "torch", "jax"):
        assert f"--- {backend}\nTo" in shown.out
        assert f"{backend}: 2 steps" in shown.err


# The benchmark


def test_the_products_of_the_default_preset_are_what_the_literature_says(monkeypatch) -> None:
    """Kaplan et al. 2020, table 1: 6 operations per weight and token, and attention on top."""
    config = GPTConfig(vocab_size=65, block_size=64, n_layer=4, n_head=4, n_embd=128)
    weights = 4 * 12 * 128**2 + 65 * 128
    attention = 4 * 3 * 2 * 2 * 64 * 128  # layers, forward and backward, two products, 2·T·C
    done = []
    matmul = np.matmul

    def counted(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
        done.append(2 * a.size * b.shape[-1])
        return matmul(a, b, out=out)

    run = numpy_products(config, batch_size=12)
    monkeypatch.setattr(np, "matmul", counted)
    run()
    assert sum(done) == 12 * 64 * (6 * weights + attention)
