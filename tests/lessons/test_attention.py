"""`python -m lessons.attention`: what is said of the weights, and where they are in the picture.
That they are the model's own, tests/docs/test_docs_play.py checks."""

import re
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from lessons.attention import agreement, draw_attention, lesson, main


def random_maps(layers: int, heads: int, length: int) -> np.ndarray:
    """Rows that sum to 1 over the past."""
    weights = np.random.default_rng(0).random((layers, heads, length, length)) + 0.1
    weights *= np.tri(length)
    return weights / weights.sum(-1, keepdims=True)


def test_the_heads_with_habits_are_named() -> None:
    maps = random_maps(2, 3, 9)
    maps[1, 2] = np.eye(9, k=-1)  # always the token before
    maps[0, 1] = np.eye(9)
    maps[1, 0] = np.eye(9)[[0] * 9]
    said = "\n".join(lesson(maps))
    assert re.search("token before +layer 1, head 2: 1.00", said)
    assert re.search("token itself +layer 0, head 1: 1.00", said)
    assert re.search("first token +layer 1, head 0: 1.00", said)


def test_agreement_names_who_is_apart() -> None:
    maps = random_maps(1, 2, 5)
    off, broken = maps.copy(), maps.copy()
    off[0, 1, 3, 2] += 1e-3
    broken[0, 0, 4, 4] = np.nan
    assert agreement({"a": maps}, "float64") == []
    same, verdict = agreement({"a": maps, "b": maps, "c": maps + 1e-13}, "float64")
    assert "1.0e-13" in same
    assert "rounding, and no more: the limit for float64 is 7e-12" in verdict
    apart, verdict = agreement({"a": maps, "b": maps, "c": off}, "float64")
    assert "1.0e-03 (a and c)" in apart
    assert "MORE than rounding" in verdict
    apart, verdict = agreement({"a": maps, "b": off, "c": broken}, "float64")
    assert "nan" in apart
    assert "MORE than rounding" in verdict


def test_every_map_is_where_it_belongs(figures) -> None:
    maps = random_maps(2, 3, 5)
    tokens = ["$a$", "\\n", "␣", "c", "d"]
    draw_attention(Path("x.png"), maps, tokens, "run: $x$")
    figure = figures[0]
    *panels, bar = figure.axes
    titles = [f"layer {i}, head {j}" for i in range(2) for j in range(3)]
    assert [axes.get_title() for axes in panels] == titles
    for axes, weights in zip(panels, maps.reshape(6, 5, 5), strict=True):
        [image] = axes.images
        shown = image.get_array()
        assert (shown.mask == np.triu(np.ones((5, 5)), 1)).all(), "the future is empty"
        assert (shown.data[~shown.mask] == weights[~shown.mask]).all()
        assert image.get_clim() == (0, 1)
    assert bar.get_ylabel() == "attention weight"
    for labels in (panels[0].get_yticklabels(), panels[3].get_xticklabels()):
        assert [label.get_text() for label in labels] == tokens
        assert not any(label.get_parse_math() for label in labels)
    assert figure.get_suptitle() == "run: $x$"


def test_all_backends_at_once(capsys, trained) -> None:
    """On a prompt that is longer than the window."""
    options = ["--run", str(trained), "--prompt", "window breaks?", "--backend", "all"]
    assert main([*options, "--dtype", "float64", "--out", "all.png"]) == 0
    shown = capsys.readouterr()
    assert "note: the prompt has 14 tokens; the model sees only the last 8" in shown.err
    assert "Computed by numpy, torch, jax" in shown.out
    assert "rounding, and no more" in shown.out
    assert shown.out.endswith("picture: all.png\n")
    height, width = imread("all.png").shape[:2]
    assert width > height > 300, "one layer, two heads"
