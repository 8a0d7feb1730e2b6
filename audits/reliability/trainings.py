"""Killed trainings and full disks: the remains must be valid, and training must resume.

A case is one directory, and a training that is interrupted there and resumed until it ends. After
every interruption the directory must hold what the uninterrupted run had at that point, and at the
end all of its files, byte for byte.

`numpy-3` is killed ten times, mostly while files are written, which takes most of so small a
training. `numpy-full` meets a full disk once, and must end with one clear message. That disk is a
file system mounted in a namespace of that training (`unshare`), so that it disappears afterwards;
where the machine does not allow that, there is no such case.
"""

import filecmp
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

from audits.reliability import Fault, Result
from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.commands.options import UsageError
from shared.commands.terminal import say
from shared.errors import UserError
from shared.protocol import BACKENDS
from shared.runs.metrics import Metrics, read_metrics
from shared.sources import ROOT

TEXT = "ROMEO: But, soft! what light through yonder window breaks?\n\tIt is the east.\n" * 12
STEPS = 12
INTERVAL = 2
"""Steps from a checkpoint to the next."""
OPTIONS = (
    *("--block-size", "8", "--n-layer", "1", "--n-head", "2", "--n-embd", "8"),
    *("--batch-size", "2", "--warmup-steps", "2", "--steps", str(STEPS)),
    *("--checkpoint-interval", str(INTERVAL), "--eval-interval", "3"),
)
SECONDS = 180
"""Time limit of a training, beyond which it hangs. Starting takes most of it: 1 to 10 s."""

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "NOX_CURRENT_SESSION"},
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",  # many trainings at once, with tiny products
    "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(ROOT / "build" / "matplotlib")),
}

KILLS_OF_A_CASE = 10
TURNS = ("numpy", "torch", "numpy", "jax", "numpy")
"""NumPy starts in a second, the others take several."""
ON_A_SMALL_DISK = str(Path(__file__).with_name("on_a_small_disk.sh"))
FULL = "full"


@dataclass(frozen=True)
class Unbroken:
    """An uninterrupted training, which all others must match."""

    backend: str
    text: Path
    run: Path
    rows: Sequence[Metrics] = ()


Ended = subprocess.CompletedProcess[str]
"""A training that has ended, for whatever reason."""


# The cases


def try_kills(kills: int, seed: int, processes: int, case: str | None) -> list[Result]:
    """Kill trainings, and let their disks fail; or run only one case."""
    cases = plan(kills) if case is None else {case: KILLS_OF_A_CASE}
    for backend, _, which in (name.partition("-") for name in cases):
        if backend not in BACKENDS or not (which.isdecimal() or which == FULL):
            raise UsageError(f"there is no case {case!r} of kills")
    say("training what nothing happens to: all others must come to the same")
    with TemporaryDirectory(prefix="reliability-") as name, ThreadPoolExecutor(processes) as pool:
        backends = sorted({case.partition("-")[0] for case in cases})
        unbroken = {b: pool.submit(train_unbroken, b, Path(name)) for b in backends}

        def try_one(case: str, kills: int) -> list[Result]:
            backend, _, _ = case.partition("-")
            try:
                like = unbroken[backend].result()
            except Fault as fault:
                return [Result(backend, case, f"unbroken: {fault}", fault=True)]
            results = try_directory(case, kills, seed, like, Path(name))
            say(f"{case}: {len(results)} trained, the last one {results[-1].how}")
            return results

        return list(chain.from_iterable(pool.map(try_one, cases.keys(), cases.values())))


def plan(kills: int) -> dict[str, int]:
    """The cases and the number of kills of each, `kills` in all."""
    cases = {}
    for i, first in enumerate(range(0, kills, KILLS_OF_A_CASE)):
        cases[f"{TURNS[i % len(TURNS)]}-{i}"] = min(KILLS_OF_A_CASE, kills - first)
    if kills and can_mount():
        cases |= {f"{backend}-{FULL}": 0 for backend in BACKENDS}
    return cases


def try_directory(case: str, kills: int, seed: int, unbroken: Unbroken, top: Path) -> list[Result]:
    """Interrupt a training as its case says, and finally let it finish."""
    backend, _, which = case.partition("-")
    rng, run = Random(f"{seed} {case}"), top / case / "run"
    run.parent.mkdir(parents=True)
    if which == FULL:
        endings = fill_disk(rng, unbroken, run)
    else:
        endings = kill_and_resume(kills, rng, unbroken, run)
    results = []
    try:
        for how in endings:
            results.append(Result(backend, case, how))
    except Fault as fault:
        how = f"{case}, training {len(results) + 1}: {fault}"
        results.append(Result(backend, case, how, fault=True))
    return results


def kill_and_resume(kills: int, rng: Random, unbroken: Unbroken, run: Path) -> Iterator[str]:
    """Kill trainings as they are resumed, until the last one ends. Yields how each ended."""
    saved = -1
    while kills or run.exists():
        options = ["--resume"] if newest_checkpoint(run) is not None else ["--overwrite"]
        unfinished = kills and saved < STEPS - INTERVAL
        kill = rng.uniform(0, 0.15) if unfinished else None  # a save takes 0.04 s
        ended = train(unbroken, run, *(options if run.exists() else []), kill=kill)
        if ended.returncode == 0:
            check_finished(run, unbroken)
            yield "ended as if unbroken"
            shutil.rmtree(run)
            saved = -1
        elif ended.returncode == -signal.SIGKILL:
            kills -= 1
            saved = check_state(run, unbroken, least=saved)
            saving = any(run.glob("checkpoints/.*"))
            yield f"killed while {'saving' if saving else 'starting or training'}"
        else:
            raise Fault(f"status {ended.returncode}: {ended.stderr[-2000:]}")


def fill_disk(rng: Random, unbroken: Unbroken, run: Path) -> Iterator[str]:
    """Let the disk of a resumed training be full. Yields how it ended, if all is well."""
    train(unbroken, run, "--target-loss", "3.46")  # stops after step 6
    saved = check_state(run, unbroken, least=-1)
    # Pages of 4 KiB. A checkpoint takes eight; the run still has three to save, and a picture to
    # draw, which takes twenty.
    aside, free = run.with_name("aside"), str(4 * rng.randint(0, 40))
    disk = ["unshare", "-rm", "sh", ON_A_SMALL_DISK, str(run), str(aside), free]
    ended = train(unbroken, run, "--resume", inside=disk)
    if ended.returncode or "loss.png was not drawn" not in ended.stderr:  # the disk was just enough
        check_explained(ended, str(run), "No space left on device")
    shutil.rmtree(run)
    aside.rename(run)
    check_state(run, unbroken, least=saved)
    ended = train(unbroken, run, "--resume")
    if ended.returncode != 0:
        raise Fault(f"it did not go on: {ended.stderr[-2000:]}")
    check_finished(run, unbroken)
    yield "stopped by a full disk, and ended as if unbroken"


def can_mount() -> bool:
    """Whether a file system can be mounted in a namespace here."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


# The trainings


def train_unbroken(backend: str, directory: Path) -> Unbroken:
    """The uninterrupted training. Raises `Fault` if it does not work at all."""
    text, run = directory / f"{backend}.txt", directory / backend
    text.write_text(TEXT, encoding="utf-8")
    ended = train(Unbroken(backend, text, run), run)
    if ended.returncode != 0:
        raise Fault(f"a training that nothing happened to failed: {ended.stderr}")
    return Unbroken(backend, text, run, rows_of(run))


def train(
    like: Unbroken, run: Path, *options: str, kill: float | None = None, inside: Sequence[str] = ()
) -> Ended:
    """Train in a separate process, as a user's command line does, on the text of `like`, until it
    ends or is killed, `kill` seconds after it has begun. `inside` is a command that runs it with
    other file systems. Raises `Fault` if it never ends."""
    where = ["--dataset", str(like.text), "--out", str(run)]
    trainer = [sys.executable, "-m", f"impls.{like.backend}.train", *where, *OPTIONS, *options]
    how: Any = {"cwd": ROOT, "env": ENVIRONMENT, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*inside, *trainer], **how) as training:
        if kill is not None:
            any(line.startswith("training ") for line in training.stderr or ())
            sleep(kill)
            training.kill()
        try:
            _, stderr = training.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            training.kill()
            raise Fault(f"a training hangs: no end in {SECONDS} s") from None
    return Ended(trainer, training.returncode, "", stderr)


def rows_of(run: Path) -> list[Metrics]:
    """metrics.jsonl without its times."""
    return [replace(row, tokens_per_second=None) for row in read_metrics(run / "metrics.jsonl")]


# What must be true


def check_explained(ended: Ended, *expected: str) -> None:
    """Raise `Fault` unless a training failed with one clear message that contains `expected`."""
    if "Traceback" in ended.stderr or ended.returncode < 0:
        raise Fault(f"status {ended.returncode}: {ended.stderr[-2000:]}")
    error = re.search(r"^error: .*\Z", ended.stderr, re.MULTILINE | re.DOTALL)
    if ended.returncode != 2 or error is None or error[0].count("\n") > 2:
        raise Fault(f"status {ended.returncode} and no clear message: {ended.stderr}")
    if missing := [words for words in expected if words not in error[0]]:
        raise Fault(f"the message does not say {missing}: {error[0]}")


def check_state(run: Path, unbroken: Unbroken, least: int) -> int:
    """Check a run's directory after a crash. Returns the step of its newest checkpoint, or -1.

    Raises `Fault` unless that loads, is bit-identical to the uninterrupted run's at the same step,
    and not older than step `least` nor than the save before the last row of metrics; and
    metrics.jsonl has that run's rows, at least up to it."""
    try:
        newest = newest_checkpoint(run)
        if newest is not None:
            load_checkpoint(newest)
    except UserError as error:
        raise Fault(f"what is taken for a checkpoint is none: {error}") from None
    step = int(newest.name) if newest is not None else -1
    try:
        rows = rows_of(run)
    except UserError as error:
        raise Fault(str(error)) from None
    if rows and rows[-1].step > INTERVAL:  # a row is written after the save of the step before
        least = max(least, (rows[-1].step - 1) // INTERVAL * INTERVAL)
    if step < least:
        raise Fault(f"step {least} was saved, but the newest checkpoint is of step {step}")
    if newest is not None:
        check_same_files(newest, unbroken.run / "checkpoints" / newest.name)
    if rows != unbroken.rows[: len(rows)] or len(rows) <= step:
        raise Fault(f"metrics.jsonl, {len(rows)} rows, checkpoint {step}: {rows}")
    return step


def check_finished(run: Path, unbroken: Unbroken) -> None:
    """Raise `Fault` unless a run ended as the uninterrupted one, with the same files."""
    check_same_files(run, unbroken.run, but=("metrics.jsonl", "loss.png"))  # they have times
    if rows_of(run) != unbroken.rows:
        raise Fault(f"metrics.jsonl is not the unbroken run's: {rows_of(run)}")


def check_same_files(found: Path, expected: Path, but: Sequence[str] = ()) -> None:
    """Raise `Fault` unless two directories hold the same files, of which some may differ."""
    there, right = ({str(p.relative_to(top)) for p in top.rglob("*")} for top in (found, expected))
    if there != right:
        raise Fault(f"{found} holds {sorted(there)} and not {sorted(right)}")
    files = [name for name in right - set(but) if (expected / name).is_file()]
    for name in chain(*filecmp.cmpfiles(found, expected, files, shallow=False)[1:]):
        raise Fault(f"{found / name} is not the unbroken run's")
