"""From averaging to self-attention, as printed: the numbers, and the relations between them."""

import re
import types

import numpy as np
import pytest

from lessons import attention_steps as lesson
from lessons.attention_steps import main
from lessons.printing import write_matrix
from shared.protocol import BACKENDS, load_backend
from shared.taps import STEPS
from tests.command_line import error_of


def test_every_step_is_shown_with_shapes_and_numbers(capsys):
    """The same in all backends, except for the path of the code and for rounding."""
    shown = {}
    for backend in BACKENDS:
        assert main(["--backend", backend]) == 0
        out = capsys.readouterr().out
        text = " ".join(out.split())
        assert f"impls/{backend}/attention_steps.py" in out.replace("\n", "")
        shown[backend] = re.sub(
            r"\((to the last bit|but for .*?)\)", "", text.replace(backend, "X")
        )
    assert shown["numpy"] == shown["torch"] == shown["jax"]
    headings = [f"{number}  {step}" for number, step in enumerate(STEPS, start=1)]
    parts = re.split("|".join(map(re.escape, headings)), out)
    assert len(parts) == 5, "four headings, in this order"
    means = [[1, 0], [2, 1], [2, 2], [1, 2]]  # in the head
    for part in parts[1:4]:
        assert "y [1, 4, 2]" in part
        ends = [line.split()[-2:] for line in part.splitlines() if re.search(r"\d  \d *$", line)]
        assert ends == [[str(a), str(b)] for a, b in means]
        assert "Look at" in part
    assert "(1 + 3 + 2 − 2) / 4" in parts[1]
    assert "0.33  0.33  0.33     0" in parts[2]
    assert "-inf" in parts[3]
    assert "1 = 2 = 3" in parts[3]
    for what in ("q [1, 4, 2]", "scores [1, 4, 4]", "weights [1, 4, 4]", "4 = CausalSelfAttention"):
        assert what in parts[4]


# Failures are reported


def broken(backend, change):
    """A backend whose steps are changed after they were computed."""
    healthy = load_backend(backend)

    def attention_steps(x, weight, bias):
        return change(healthy.attention_steps(x, weight, bias))

    return types.SimpleNamespace(
        name="broken", build=healthy.build, attention_steps=attention_steps
    )


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("average_by_loop", "average_by_matrix gives .* average_by_loop"),
        ("average_by_matrix", "average_by_matrix gives"),
        ("average_by_softmax", "average_by_softmax gives"),
        ("self_attention", "self_attention gives .* the model's attention"),
    ],
)
@pytest.mark.parametrize("wrong", [1e-9, np.nan])
def test_a_step_that_is_wrong_is_named(step, message, wrong, monkeypatch, capsys):
    def change(found):
        found[f"{step}.y"] = found[f"{step}.y"] + wrong
        return found

    monkeypatch.setattr(lesson, "load_backend", lambda name: broken(name, change))
    assert re.search(message, error_of(capsys, main([])))


def test_a_step_of_another_shape_is_named(monkeypatch, capsys):
    wider = {"self_attention.y": np.zeros((1, 4, 3))}
    monkeypatch.setattr(lesson, "load_backend", lambda name: broken(name, lambda f: f | wider))
    assert "shape (1, 4, 3)" in error_of(capsys, main([]))


def test_matrices_are_written_with_as_few_digits_as_do():
    assert write_matrix(np.array([[1.0, -2.0], [10.0, 0.0]])) == " 1  -2\n10   0"
    assert write_matrix(np.array([[[1 / 3, 0.0]], [[9.0, 9.0]]])) == "0.33     0"
