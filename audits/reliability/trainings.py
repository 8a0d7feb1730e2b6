"""Small trainings to be broken off, and what must be true of their directories at any time."""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from audits.reliability.doomed import READ, Doom, completed
from audits.reliability.tally import Fault
from shared.checkpoints.checkpoint import load_checkpoint, newest_checkpoint
from shared.errors import UserError
from shared.runs.metrics import Metrics, read_metrics
from shared.sources import ROOT

TEXT = "ROMEO: But, soft! what light through yonder window breaks?\n\tIt is the east.\n" * 12
STEPS = 12
OPTIONS = (
    *("--block-size", "8", "--n-layer", "1", "--n-head", "2", "--n-embd", "8"),
    *("--batch-size", "2", "--warmup-steps", "2", "--steps", str(STEPS)),
    *("--checkpoint-interval", "2", "--eval-interval", "3"),
)
SECONDS = 180.0
"""A training that has not ended by then hangs. Starting is most of it: 1 to 10 s."""

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "NOX_CURRENT_SESSION"},
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",  # many trainings at once, of tiny products
    "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(ROOT / "build" / "matplotlib")),
}


@dataclass(frozen=True)
class Ended:
    """A training that is over, one way or another."""

    status: int
    """Its exit status; negative: the signal that killed it."""
    stderr: str
    journal: tuple[tuple[str, ...], ...]
    """Every event in its run's directory: its name and its paths."""

    def completed(self) -> int | None:
        """The step of the last checkpoint that was surely complete."""
        for event, *paths in reversed(self.journal[:-1]):  # the last event may not have come about
            if path := completed(event, list(map(Path, paths))):
                return int(path.name)
        return None

    def phase(self) -> str:
        """What the training was doing when it ended, as far as the journal tells."""
        if not self.journal:
            return "starting"
        event, last = self.journal[-1][0], self.journal[-1][-1]
        if "/checkpoints" in last:
            return "loading" if event == READ else "saving"
        return "drawing" if last.endswith(".png.partial") else "training"


@dataclass(frozen=True)
class Unbroken:
    """A training that nothing happened to: what every other one must come to."""

    text: Path
    run: Path
    every: Path
    """Copies of all its checkpoints, also of those that it did not keep."""
    seconds: float
    rows: list[Metrics]


def start(
    backend: str, text: Path, run: Path, doom: Doom | None, *options: str
) -> subprocess.Popen[bytes]:
    """Begin a training in a process of its own: the command line, as a user types it.

    All that are to be compared are given one path of the text, for a checkpoint notes it.
    """
    module = f"impls.{backend}.train"
    watched = ["audits.reliability.doomed", json.dumps(asdict(doom))] if doom else []
    where = ["--dataset", str(text), "--out", str(run)]
    command = [sys.executable, "-m", *watched, module, *where, *OPTIONS, *options]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait(process: subprocess.Popen[bytes], doom: Doom | None, clock: float | None) -> Ended:
    """Wait for a training's end; or kill it when `clock` seconds are over.

    Raises `Fault` if it never ends.
    """
    with process:
        try:
            _, stderr = process.communicate(timeout=clock or SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _, stderr = process.communicate()
            if clock is None:
                raise Fault("traceback", f"a training hangs: no end in {SECONDS:g} s") from None
    lines = []
    if doom and Path(doom.journal).exists():
        lines = Path(doom.journal).read_text(encoding="utf-8").splitlines()
        Path(doom.journal).unlink()
    journal = tuple(tuple(line.split("\t")) for line in lines)
    return Ended(process.returncode, stderr.decode(errors="replace"), journal)


def resume_options(run: Path) -> list[str]:
    """How to go on: as the error messages of the command line say."""
    if newest_checkpoint(run) is not None:
        return ["--resume"]
    return ["--overwrite"] if run.exists() else []


def rows_of(run: Path) -> list[Metrics]:
    """metrics.jsonl without what the clock says."""
    return [replace(row, tokens_per_second=None) for row in read_metrics(run / "metrics.jsonl")]


def leftovers(run: Path) -> set[str]:
    """What saves that were broken off left in the run's checkpoints."""
    directory = run / "checkpoints"
    return {path.name for path in directory.glob(".*")} if directory.is_dir() else set()


def check_explained(ended: Ended, *expected: str) -> None:
    """Raise `Fault` unless a training failed with one clear message, which holds `expected`."""
    if "Traceback" in ended.stderr or ended.status < 0:
        raise Fault("traceback", f"status {ended.status}: {ended.stderr[-2000:]}")
    error = re.search(r"^error: .*\Z", ended.stderr, re.MULTILINE | re.DOTALL)
    if ended.status != 2 or error is None or error[0].count("\n") > 2:
        raise Fault("traceback", f"status {ended.status} and no clear message: {ended.stderr}")
    if missing := [words for words in expected if words not in error[0]]:
        raise Fault("traceback", f"the message does not say {missing}: {error[0]}")


def check_state(run: Path, unbroken: Unbroken, least: int | None) -> int | None:
    """Look at a run's directory as a crash left it. Returns the step of its newest checkpoint.

    Raises `Fault` unless that loads, is the unbroken run's of the same step bit for bit, and not
    older than the step `least`; and metrics.jsonl has the unbroken run's rows, at least up to it.
    """
    try:
        newest = newest_checkpoint(run)
        if newest is not None:
            load_checkpoint(newest)
    except UserError as error:
        raise Fault(
            "wrongly accepted", f"what is taken for a checkpoint is none: {error}"
        ) from None
    step = int(newest.name) if newest is not None else None
    if least is not None and (step is None or step < least):
        raise Fault("lost", f"step {least} was saved, but the newest checkpoint is of step {step}")
    if newest is not None:
        check_same_files(newest, unbroken.every / newest.name)
    try:
        rows = rows_of(run)
    except UserError as error:
        raise Fault("lost", str(error)) from None
    if rows != unbroken.rows[: len(rows)] or len(rows) <= (step if step is not None else -1):
        raise Fault("lost", f"metrics.jsonl, {len(rows)} rows, checkpoint {step}: {rows}")
    return step


def check_finished(run: Path, unbroken: Unbroken) -> None:
    """Raise `Fault` unless a run ended as the unbroken one, and has nothing that it has not."""
    for where in (run, run / "checkpoints"):
        found = {path.name for path in where.iterdir()}
        expected = {path.name for path in (unbroken.run / where.relative_to(run)).iterdir()}
        if found != expected:
            raise Fault("lost", f"{where} holds {sorted(found)} and not {sorted(expected)}")
    for path in (unbroken.run / "checkpoints").iterdir():
        check_same_files(run / "checkpoints" / path.name, path)
    if rows_of(run) != unbroken.rows:
        raise Fault("lost", f"metrics.jsonl is not the unbroken run's: {rows_of(run)}")


def check_same_files(found: Path, expected: Path) -> None:
    """Raise `Fault` unless two directories hold the same files, byte for byte."""
    names = {path.name for path in expected.iterdir()}
    if {path.name for path in found.iterdir()} != names:
        raise Fault("lost", f"{found} holds other files than {expected}")
    for name in sorted(names):
        if (found / name).read_bytes() != (expected / name).read_bytes():
            raise Fault("lost", f"{found / name} is not the unbroken run's")
