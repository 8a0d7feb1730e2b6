"""From averaging to self-attention, as printed: the numbers, and the relations between them."""

import re

from lessons.attention_steps import main
from shared.protocol import BACKENDS
from shared.taps import STEPS


def test_every_step_is_shown_with_shapes_and_numbers(capsys):
    """The same in all backends, except for the path of the code and for rounding."""
    shown = {}
    for backend in BACKENDS:
        assert main(["--backend", backend]) == 0
        out = capsys.readouterr().out
        text = " ".join(out.split())
        assert f"impls/{backend}/road/attention_steps.py" in out.replace("\n", "")
        shown[backend] = text.replace(backend, "X")
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
