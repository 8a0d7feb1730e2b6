"""Checks that a student writes are scored by the bugs they find."""

import pytest

from audits.mutants import score
from audits.mutants.catalogue import CATALOGUE


@pytest.fixture
def few(monkeypatch) -> list[str]:
    """A catalogue of a few bugs, all of which NumPy can have."""
    names = ["mask_with_zero", "swap_qk", "weights_rounded"]
    monkeypatch.setattr(score, "CATALOGUE", {name: CATALOGUE[name] for name in names})
    return names


CAUSAL = """
def test_the_future_is_not_seen(backend):
    model = backend.build(BASE, random_weights(CASE), dtype="float64")
    changed = TOKENS.copy()
    changed[:, -1] = (changed[:, -1] + 1) % BASE.vocab_size
    assert np.array_equal(model.logits(TOKENS)[:, :-1], model.logits(changed)[:, :-1])
"""


def test_the_score_of_the_example_and_one_more_check(few, tmp_path, capsys) -> None:
    file = tmp_path / "my_checks.py"
    assert score.main([str(file)]) == 0
    begun = capsys.readouterr().out
    assert "my_checks.py is written" in begun
    assert "finds 0 of 3 bugs planted in numpy" in " ".join(begun.split())
    file.write_text(file.read_text() + CAUSAL)
    assert score.main([str(file), "--missed", "1"]) == 0
    shown = capsys.readouterr().out
    assert "is written" not in shown
    assert [line.split()[1:] for line in shown.splitlines() if "future_is" in line] == [["1", "1"]]
    assert "finds 1 of 3 bugs planted in numpy" in " ".join(shown.split())
    assert "mask_with_zero" not in shown
    assert sum(name in shown for name in few) == 1, "as many as were asked for"


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("def test_a(backend): assert backend.name == 'jax'", 1, "test_a fails on the healthy"),
        ("def test_a(backend): import os; os._exit(1)", 1, "the process ended"),
        ("def test_a(nothing): pass", 1, "test_a fails on the healthy GPT"),
        ("import nothing_of_this_name", 1, "nothing_of_this_name"),
        ("def test_a(:", 1, "SyntaxError"),
        ("", 2, "has no tests"),
    ],
)
def test_checks_that_cannot_be_scored(few, text, status, message, tmp_path, capsys) -> None:
    file = tmp_path / "my_checks.py"
    file.write_text(text)
    assert score.main([str(file)]) == status
    told = capsys.readouterr()
    assert message in " ".join((told.out + told.err).split())
    assert "Traceback" not in told.out + told.err
