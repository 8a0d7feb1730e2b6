"""`python -m lessons.curves`: several runs in one plot, in a comparable unit."""

import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lessons import curves
from lessons.curves import Run, draw_curves
from shared.commands.train import train_main
from shared.runs.bands import bands
from shared.text.datasets import load_dataset
from tests.command_line import SMALL

FIRST = Run("$a$", {0: 4.0, 2: 3.0}, "playlets", load_dataset("playlets").sha256, "char")
SECOND = replace(FIRST, label="b", losses={0: 4.0, 3: 2.0, 5: 2.5})


def test_what_is_drawn_is_what_was_measured(figures) -> None:
    """With the floor of playlets: 132312 nats for the 100,170 bytes of the last tenth."""
    draw_curves(Path("x.png"), [FIRST, SECOND])
    axes = figures[0].axes[0]
    first, second, floor = (line.get_xydata().tolist() for line in axes.lines)
    assert (first, second) == ([[0, 4], [2, 3]], [[0, 4], [3, 2], [5, 2.5]])
    assert floor[0][1] == pytest.approx(132312.167 / math.log(2) / 100_170, rel=1e-6)
    labels = axes.get_legend().get_texts()
    names = [label.get_text() for label in labels]
    assert names == ["$a$ (best 3.0000)", "b (best 2.0000)", "floor of playlets (1.9056)"]
    assert not any(label.get_parse_math() for label in labels)
    draw_curves(Path("x.png"), [replace(FIRST, text="of another version")])
    assert len(figures[1].axes[0].lines) == 1


def test_the_band_of_a_recipe_is_drawn_once_in_bits_per_byte(figures) -> None:
    band, scale = bands()[0], 1 / math.log(2)
    draw_curves(Path("x.png"), [replace(each, band=band, scale=scale) for each in (FIRST, SECOND)])
    (filled,) = figures[0].axes[0].collections
    last = max(band.val_losses)
    assert filled.get_label() == f"{band.preset} on {band.dataset}, 20 seeds"
    drawn = {y for x, y in filled.get_paths()[0].vertices if x == last}
    assert set(scale * np.array(band.at(last))) <= drawn


def test_runs_in_one_plot(capsys, trained) -> None:
    shutil.copytree(trained, "again")
    Path("other.txt").write_text((trained.parent / "text.txt").read_text() + ".")
    words = ["--dataset", "other.txt", "--tokenizer", "word", "--out", "words"]
    assert train_main("numpy", [*SMALL, *words]) == 0
    capsys.readouterr()
    assert curves.main([str(trained), "again", "--out", "same.png"]) == 0
    same = capsys.readouterr().out
    assert re.search(r"│ again .*│ char +│ +6 │ +(\d\.\d{4}) │ +\1 │ +6 │", same)
    assert "not comparable" not in same
    assert "flatters" not in same
    assert curves.main([str(trained), "words", "--out", "mixed.png"]) == 0
    mixed = " ".join(capsys.readouterr().out.split())
    assert "not comparable" in mixed
    assert "The loss of words flatters" in mixed
    for name in ("same.png", "mixed.png"):
        assert Path(name).read_bytes().startswith(b"\x89PNG")
