"""The fuzz finds what only a sequence of calls shows, spares the healthy, and keeps its time."""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from conformance.fuzz.__main__ import main
from conformance.fuzz.batch import Batch
from conformance.fuzz.caller import Tally
from conformance.panel import Panel
from shared.backend import load_backend
from tests.command_line import error_of
from tests.guests import write_guests

BOTH = ("--backend", "numpy", "--backend")
"""And then the name of a guest, which is tried against NumPy."""


@pytest.fixture(autouse=True)
def guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package `guest` can be imported; the test stands in a directory of its own."""
    write_guests(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "guest"]:
        del sys.modules[name]


def test_a_bug_that_only_a_sequence_of_calls_shows(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--seed", "1", "--minutes", "1", *BOTH, "guest.forgetful"]
    assert main(command) == 1
    found, _, rest = capsys.readouterr().out.partition("\n")
    assert found == "guest.forgetful: step 1 after load_state of 0"
    calls = [line.strip() for line in rest.splitlines() if "state." in line]
    assert [call.partition("(")[0].rpartition(".")[2] for call in calls] == [
        *("build", "trainer", "state", "step", "load_state", "teardown")
    ]
    assert rest.endswith(f"again: nox -s fuzz -- {' '.join(command)}\n")
    assert "examples" in rest


def test_the_healthy_agree_until_time_is_over(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    began = monotonic()
    command = ["--seed", "3", "--minutes", "0.08", *BOTH, "guest.healthy"]
    assert main(command) == 0
    assert 4 < monotonic() - began < 30
    said = capsys.readouterr()
    assert said.out.startswith("all agree: ")
    assert " 0 " not in said.out
    assert f"nox -s fuzz -- {' '.join(command)}" in said.err
    assert {path.name for path in tmp_path.iterdir()} == {"guest"}, "something was left"


def test_the_same_seed_tries_the_same(tmp_path: Path) -> None:
    panel = Panel({name: load_backend(name) for name in ("numpy", "guest.healthy")})
    tallies = []
    for _ in range(2):
        tallies.append(Tally())
        batch = Batch("2 0", panel, tallies[-1], tmp_path)
        assert batch.failure(monotonic() + 60) is None
    assert tallies[0] == tallies[1]
    assert tallies[0].calls > 100


@pytest.mark.parametrize(
    "options",
    [
        ["--minutes", "0"],
        ["--minutes", "nan"],
        ["--minutes", "soon"],
        ["--seed", "-1"],
        ["--backend", "numpy"],
        [*BOTH, "guest.absent"],
        ["--no-such-option"],
    ],
)
def test_bad_options_are_one_line(options: list[str], capsys: pytest.CaptureFixture) -> None:
    error_of(capsys, main(options))
