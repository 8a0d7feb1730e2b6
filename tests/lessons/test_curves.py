"""`python -m lessons.curves`: several runs in one plot, in a comparable unit."""

import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lessons import curves
from lessons.curves import BITS, NATS, in_bits, read_run
from shared.commands.train import train_main
from shared.runs import plots
from shared.runs.metrics import Metrics
from shared.text.datasets import encode_dataset, load_dataset
from shared.text.tokenizers import build_tokenizer
from tests.command_line import SMALL

pytestmark = pytest.mark.usefixtures("empty_directory")

FLOOR = 500.0  # nats, of a text of some 250 characters


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Records the figures that are saved."""
    saved: list[Figure] = []
    save = plots.save_figure

    def keep(path: Path, figure: Figure) -> None:
        saved.append(figure)
        save(path, figure)

    monkeypatch.setattr(plots, "save_figure", keep)
    return saved


@pytest.fixture
def floor_known(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of the run `trained` counts as one whose true probability is known."""
    name = str(trained.parent / "text.txt")
    monkeypatch.setattr(curves, "FLOOR_KNOWN", name)
    known = replace(load_dataset(name), floor_nats=FLOOR)
    monkeypatch.setattr(curves, "_load_once", lambda _: known)


def curve(label: str, **changes: object) -> curves.Run:
    rows = [Metrics(0, None, 4.0, 3.0), Metrics(1, 3.9), Metrics(2, 3.5, 3.0, 2.5)]
    return replace(curves.Run(label, rows, bytes_per_token=1.0, dataset="d", text="0"), **changes)


# Reading


def test_a_run_says_what_its_losses_are_of(trained: Path, floor_known: None) -> None:
    run = read_run(trained)
    dataset = load_dataset(str(trained.parent / "text.txt"))
    data = encode_dataset(dataset, build_tokenizer("char", dataset.text), 8)
    assert [row.step for row in run.rows] == list(range(7))
    assert run.bytes_per_token == pytest.approx(data.bytes_per_token, rel=1e-12)
    assert (run.dataset, run.tokenizer, run.text) == (dataset.name, "char", dataset.sha256)
    assert run.floor == pytest.approx(FLOOR / data.val_targets, rel=1e-12)


# Units


def test_what_is_drawn_is_what_was_measured(figures: list[Figure], tmp_path: Path) -> None:
    both = [curve("$a$", floor=1.5), curve("b", bytes_per_token=2.0)]
    curves.draw_curves(tmp_path / "x.png", list(map(in_bits, both)), BITS)
    axes = figures[0].axes[0]
    drawn = [line.get_xydata().tolist() for line in axes.lines]
    bit = 1 / math.log(2)
    assert drawn[0] == [[1, pytest.approx(3.9 * bit)], [2, pytest.approx(3.5 * bit)]]
    assert drawn[1] == [[0, pytest.approx(4 * bit)], [2, pytest.approx(3 * bit)]]
    assert drawn[3] == [[0, pytest.approx(2 * bit)], [2, pytest.approx(1.5 * bit)]]
    assert drawn[4][0][1] == pytest.approx(1.5 * bit, abs=1e-4)
    assert axes.get_ylabel() == "loss (bits per byte)"
    labels = axes.get_legend().get_texts()
    assert [label.get_text() for label in labels] == [
        f"$a$ (best {3 * bit:.4f})",
        f"b (best {1.5 * bit:.4f})",
        f"floor of d ({1.5 * bit:.4f})",
    ]
    assert not any(label.get_parse_math() for label in labels)


def test_remarks_warn_of_what_misleads() -> None:
    words = curve("w", bytes_per_token=3.0, tokenizer="word")
    assert "flatters" in " ".join(curves.remarks([curve("a"), words], BITS))
    assert "flatters" not in " ".join(curves.remarks([curve("a"), curve("b")], BITS))
    assert "not comparable" in curves.remarks([curve("a"), curve("b", text="1")], NATS)[0]
    close = [Metrics(0, None, 4.0), Metrics(1, 3.9), Metrics(2, 3.5, 3.25)]
    [distance] = curves.remarks([curve("a"), curve("b", rows=close)], NATS)
    assert distance.startswith("Validation losses are at most 2.5e-01 apart, at step 2;")
    never = [Metrics(1, None, 3.0)]
    assert "No step" in curves.remarks([curve("a"), curve("b", rows=never)], NATS)[0]


# The command


def test_runs_in_one_plot(capsys, trained, floor_known, figures) -> None:
    again = shutil.copytree(trained, "again")
    dataset = ["--dataset", str(trained.parent / "text.txt")]
    assert train_main("numpy", [*SMALL, *dataset, "--tokenizer", "word", "--out", "words"]) == 0
    capsys.readouterr()
    figures.clear()  # the training's own
    assert curves.main([str(trained), str(again), "--out", "same.png"]) == 0
    same = capsys.readouterr()
    assert same.err == ""
    assert "nats per token" in same.out
    assert "at most 0.0e+00 apart" in same.out
    assert re.search(r"│ again .*│ char +│ +6 │ .*%", same.out)
    assert curves.main([str(trained), "words", "--out", "mixed.png"]) == 0
    mixed = capsys.readouterr()
    assert mixed.err.startswith("note: a token of one run is longer")
    assert "in bits per byte" in mixed.out
    shown = [figure.axes[0].get_ylabel() for figure in figures]
    assert shown == ["loss (nats per token)", "loss (bits per byte)"]
    for name in ("same.png", "mixed.png"):
        assert Path(name).read_bytes().startswith(b"\x89PNG")
