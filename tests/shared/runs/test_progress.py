"""The display of a training: lines or a bar, and the picture of its losses."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from impls.numpy.road.bigram import count_bigrams
from lessons.bigram import log_frequencies, mean_loss
from shared.runs import progress
from shared.runs.baselines import baselines
from shared.runs.metrics import Metrics
from shared.runs.plots import plot_losses
from shared.runs.progress import Bar, PlainLines, progress_display
from shared.text.datasets import TokenData


def test_plain_lines_say_how_it_goes(capsys):
    display = progress_display(0, 2000)
    assert isinstance(display, PlainLines)
    with display:
        display.update(Metrics(step=0, val_loss=4.1744))
        for step in range(1, 301):
            val_loss = 2.01338 if step == 250 else None
            display.update(Metrics(step, 1.99119, val_loss, tokens_per_second=9800.4))
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0] == "step    0/2000  val 4.1744"
    assert [line.split("/")[0] for line in lines[1:]] == ["step  200", "step  250"]
    assert lines[1].startswith("step  200/2000  loss 1.9912  9,800 tokens/s  ")
    assert lines[2].startswith("step  250/2000  loss 1.9912  val 2.0134  9,800 tokens/s  ")
    assert re.search(r"  0:00:\d\d left$", lines[1])


def test_a_long_validation_says_how_far_it_is(capsys, monkeypatch):
    seconds = iter([0.0, 1.9, 2.1, 12.0, 12.2, 30.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    display = PlainLines(0, 10)
    for done in (100, 200, 300, 400, 500, 600):
        display.validating(done, 600)
    lines = [f"validating: {done} of 600 tokens" for done in (300, 500)]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_display(0, 20) as display:
        assert isinstance(display, Bar)
        display.validating(300, 1200)
        display._bar.refresh()
        display.update(Metrics(step=10, loss=1.5, val_loss=2.5, tokens_per_second=1234.5))
    shown = capsys.readouterr()
    assert shown.out == ""
    words = ("val at 25%", "10/20", "loss 1.5000", "val 2.5000", "1,234 tokens/s", "left")
    for part in ("\x1b[", *words):
        assert part in shown.err


def test_the_plot_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "loss.png"
    rows = [Metrics(0, None, 4.0), Metrics(1, 3.9), Metrics(2, 3.8, 3.7)]
    plot_losses(path, rows, title="alone")
    alone = path.read_bytes()
    assert alone.startswith(b"\x89PNG")
    plot_losses(path, rows, baselines={"floor": 1.0}, title="alone")
    assert path.read_bytes() != alone, "the floor is drawn"
    assert [entry.name for entry in tmp_path.iterdir()] == ["loss.png"]


def test_baselines_are_drawn_by_name(figures):
    rows = [Metrics(0, None, 4.0), Metrics(1, None, 3.0), Metrics(2, None, 3.5)]
    plot_losses(Path("x.png"), rows, baselines={"bigram": 2.5, "floor": 1.0})
    validation, bigram, floor = figures[0].axes[0].lines
    assert validation.get_label() == "validation (best 3.0000)"
    assert (bigram.get_label(), floor.get_label()) == ("bigram (2.5000)", "floor (1.0000)")
    assert bigram.get_linestyle() != floor.get_linestyle()


def test_the_bigram_of_the_picture_is_the_lesson_s():
    """Also where the ids are small integers, and for a validation pair that never occurred."""
    ids = np.random.default_rng(0).integers(200, size=3000).astype(np.uint8)
    train, val = (count_bigrams(part, 250) for part in (ids[:2000], ids[2000:]))
    expected = mean_loss(log_frequencies(train), val)
    data = TokenData(ids[:2000], ids[2000:], 999, floor=0.5)
    found = baselines(data, 250)
    assert found == pytest.approx({"guessing: ln 250": 5.52146, "bigram": expected, "floor": 0.5})
