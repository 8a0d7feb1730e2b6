"""The table of the next token. test_shared_sampling.py in the suite checks its numbers."""

import re

import pytest

from shared.commands.sample import sample_main
from shared.protocol import BACKENDS
from tests.command_line import TEXT


def table(out: str) -> list[list[str]]:
    """The cells of its rows, without the bars."""
    lines = [line.split("│")[1:-2] for line in out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line] for line in lines]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_table_is_printed_instead_of_a_text(capsys, trained, backend) -> None:
    options = ["--run", str(trained), "--prompt", "ROMEO:", "--seed", "3"]
    assert sample_main(backend, [*options, "--top", "4"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [row[0] for row in table(shown.out)] == ["1", "2", "3", "4"]
    assert len(table(shown.out)[0]) == 4, "nothing was asked for that changes the probabilities"
    p = [float(row[3]) for row in table(shown.out)]
    assert p == sorted(p, reverse=True)
    rest = re.search(rf"the other {len(set(TEXT)) - 4} tokens together: (0\.\d{{4}})", shown.out)
    assert rest
    assert sum(p) + float(rest[1]) == pytest.approx(1, abs=5e-4)
    assert sample_main(backend, [*options, "--max-new-tokens", "1"]) == 0
    written = capsys.readouterr().out.removeprefix("ROMEO:")[0]
    seen = {" ": "␣", "\n": "\\n", "\t": "\\t"}.get(written, written)
    assert f"written with --seed 3: {seen}, for u" in shown.out


def test_both_probabilities_are_shown_where_they_differ(capsys, trained) -> None:
    options = ["--run", str(trained), "--top", "5", "--top-k", "2", "--temperature", "0.5"]
    assert sample_main("numpy", options) == 0
    rows = table(capsys.readouterr().out)
    p, drawn = ([float(row[column]) for row in rows] for column in (3, 4))
    assert drawn[0] + drawn[1] == pytest.approx(1, abs=2e-4)
    assert drawn[0] / drawn[1] == pytest.approx((p[0] / p[1]) ** 2, rel=0.01)
    assert [row[4] for row in rows[2:]] == ["0", "0", "0"]
