"""SIGKILL at random moments: most while files are written, the others at any time at all.

A chain is a training that is killed and resumed and killed again, until it ends; then another one.
After every kill the directory must hold what the unbroken run had at that point, and in the end
every file of it, byte for byte.
"""

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter

from audits.reliability.doomed import Doom
from audits.reliability.tally import Fault, Found, Tally, repeat
from audits.reliability.trainings import (
    TEXT,
    Ended,
    Unbroken,
    check_finished,
    check_state,
    leftovers,
    resume_options,
    rows_of,
    start,
    wait,
)

PER_CHAIN = 10
SHARE = {"numpy": 0.6, "torch": 0.2, "jax": 0.2}
"""Of the kills. NumPy starts in a second, the others take several."""

AIMS = {"checkpoints": 0.6, "": 0.2, "clock": 0.2}
"""What the kills are aimed at: the n-th thing done in the folder of checkpoints, the n-th thing
done in the run's directory, and any time at all, be it while libraries are imported."""

MOST_EVENTS = 30
"""A save is ten things done in checkpoints/, and one is due at every second step."""
MOST_SECONDS_AFTER = 0.003


@dataclass(frozen=True)
class Chain:
    """One case: `name` is the backend and a number, and decides every random choice."""

    name: str
    kills: int = PER_CHAIN

    @property
    def backend(self) -> str:
        return self.name.partition("-")[0]


def plan(kills: int) -> list[Chain]:
    """The chains that add up to `kills`, shared out to the backends; the slowest first."""
    chains = []
    for backend in ("torch", "jax", "numpy"):
        mine = round(kills * SHARE[backend])
        for i, first in enumerate(range(0, mine, PER_CHAIN)):
            chains.append(Chain(f"{backend}-{i}", min(PER_CHAIN, mine - first)))
    return chains


def train_unbroken(backend: str, directory: Path) -> Unbroken:
    """The training that nothing happens to. Raises `Fault` if it does not work at all."""
    directory.mkdir(parents=True)
    text, run, every = (directory / name for name in ("text.txt", "run", "every"))
    text.write_text(TEXT, encoding="utf-8")
    doom = Doom(str(run), str(directory / "journal"), "copy", aside=str(every))
    began = perf_counter()
    ended = wait(start(backend, text, run, doom), doom, clock=None)
    if ended.status != 0:
        raise Fault("traceback", f"a training that nothing happened to failed: {ended.stderr}")
    return Unbroken(text, run, every, perf_counter() - began, rows_of(run))


def run_chain(chain: Chain, seed: int, unbroken: Unbroken, directory: Path) -> Tally:
    """Kill a training again and again, and let it come to its end at last."""
    tally = Tally(f"kills: {chain.backend}")
    try:
        _run_chain(chain, Random(f"{seed} {chain.name}"), unbroken, directory, tally)
    except Fault as fault:
        command = repeat("kills", seed, chain.name)
        tally.found.append(Found(fault.kind, f"after kill {tally.tried}: {fault}", command))
    return tally


def _run_chain(
    chain: Chain, rng: Random, unbroken: Unbroken, directory: Path, tally: Tally
) -> None:
    directory.mkdir(parents=True)
    run = directory / "run"
    newest: int | None = None
    left: set[str] = set()
    while tally.tried < chain.kills or run.exists():
        last = tally.tried >= chain.kills  # this one may come to its end
        doom, clock = draw_blow(rng, run, unbroken.seconds)
        if last:
            doom, clock = Doom(str(run), doom.journal, "kill"), None
        options = resume_options(run)
        ended = wait(start(chain.backend, unbroken.text, run, doom, *options), doom, clock)
        if ended.status == 0:
            check_finished(run, unbroken)
            tally.endings["runs ended as if unbroken"] += 1
            shutil.rmtree(run)
            newest, left = None, set()
            continue
        if ended.status != -signal.SIGKILL:
            raise Fault("traceback", f"status {ended.status}: {ended.stderr[-2000:]}")
        tally.tried += 1
        tally.endings[f"killed while {ended.phase()}"] += 1
        newest = check_state(run, unbroken, max_of(newest, ended.completed()))
        left = check_cleaned(run, left, ended)


def draw_blow(rng: Random, run: Path, seconds: float) -> tuple[Doom, float | None]:
    """When the next training is to be killed: at an event, or after some seconds."""
    (aim,) = rng.choices(list(AIMS), list(AIMS.values()))
    at = rng.randint(1, MOST_EVENTS)
    after = rng.choice([0.0, rng.uniform(0, MOST_SECONDS_AFTER)])
    clock = 0.01 + seconds * rng.random() ** 2  # half of the time goes by in starting
    journal = str(run.parent / "journal")
    if aim == "clock":
        return Doom(str(run), journal, "kill"), clock
    return Doom(str(run), journal, "kill", at=at, within=aim, after=after), None


def check_cleaned(run: Path, before: set[str], ended: Ended) -> set[str]:
    """Raise `Fault` if leftovers of an earlier kill outlived a start. Returns what is left now."""
    now = leftovers(run)
    # The first thing that a training writes once the directory is its own, and clean.
    began = any(".metrics.jsonl" in path for _, *paths in ended.journal for path in paths)
    if began and before & now:
        raise Fault("lost", f"the next start did not clean away {sorted(before & now)}")
    return now


def max_of(*steps: int | None) -> int | None:
    """The latest of these steps, of which there may be none."""
    return max((step for step in steps if step is not None), default=None)
