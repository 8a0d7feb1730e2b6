"""The fuzz finds bugs that need a sequence of calls, passes healthy backends, and ends in time."""

import os
import re
import subprocess
from pathlib import Path
from time import monotonic

from tests.command_line import ROOT, run_python
from tests.guests import write_guests


def fuzz(there: Path, guest: str, seed: int, minutes: float) -> subprocess.CompletedProcess[str]:
    """NumPy against a guest, in a separate process and directory."""
    write_guests(there)
    options = ["--seed", seed, "--minutes", minutes, "--backend", "numpy", "--backend", guest]
    path = os.pathsep.join([str(ROOT), str(there)])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return run_python("-m", "conformance.fuzz", *options, cwd=there, env=environment, timeout=240)


def test_a_bug_that_only_a_sequence_of_calls_shows(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "guest.forgetful", seed=5, minutes=3)  # shortening it alone takes 10 s
    assert done.returncode == 1, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first == "guest.forgetful: step 1 after load_state of 0"
    calls = re.findall(r"^(?:\w+ = )?state\.(\w+)\(", done.stdout, re.MULTILINE)
    needed = ["build", "trainer", "state", "step", "load_state", "teardown"]
    assert [call for call in calls if call in needed] == needed
    assert len(calls) <= 10, "so much is left only of what was not shortened"
    assert re.search(r"^in float\d\d with GPTConfig\(", done.stdout, re.MULTILINE)
    again = "--seed 5 --minutes 3 --backend numpy --backend guest.forgetful"
    assert last.startswith("found after ")
    assert last.endswith(f"again: nox -s fuzz -- {again}")


def test_the_healthy_agree_until_time_is_over(tmp_path: Path) -> None:
    began = monotonic()
    done = fuzz(tmp_path, "guest.healthy", seed=3, minutes=0.08)
    assert done.returncode == 0, done.stdout + done.stderr
    assert monotonic() - began > 4
    tried = re.fullmatch(
        r"all agree: ([\d,]+) examples of ([\d,]+) calls of every backend in (\d+) .+\n",
        done.stdout,
    )
    assert tried, done.stdout
    examples, calls, _ = (int(number.replace(",", "")) for number in tried.groups())
    assert calls > examples > 0
    assert [path.name for path in tmp_path.iterdir()] == ["guest"], "something was left"


def test_the_same_seed_tries_the_same(tmp_path_factory) -> None:
    places = [tmp_path_factory.mktemp("fuzz") for _ in range(2)]
    once, again = (fuzz(there, "guest.raises", seed=4, minutes=1) for there in places)
    assert "guest.raises: logits raised RuntimeError: out of order" in once.stdout
    assert once.stdout == again.stdout
