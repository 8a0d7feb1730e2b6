"""Disks that fail: full while saving, read-only, and a directory that is moved away meanwhile.

The training must end with one clear message, and what it had saved must be there still: from it the
training goes on, once the disk is well again, to the end of the run that nothing happened to.

A disk that is really full or read-only takes a file system of its own. It is mounted in a namespace
of the training's own (`unshare`), so that nothing of it is left afterwards; where the machine does
not allow that, these cases are skipped, and the reason is printed.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

from audits.reliability.doomed import Doom
from audits.reliability.tally import Fault, Found, Tally, repeat
from audits.reliability.trainings import (
    ENVIRONMENT,
    OPTIONS,
    SECONDS,
    Ended,
    Unbroken,
    check_explained,
    check_finished,
    check_state,
    leftovers,
    start,
    wait,
)
from shared.sources import ROOT

FAILURES = ("full", "read-only", "moved")
PAGE = 4
MOST_PAGES = 40
"""What may be free on the disk that will be full, in pages of 4 KiB. A checkpoint takes eight, and
the run still has three to save and a picture to draw, which takes twenty."""

IN_A_FULL_DISK = """
mount -t tmpfs tmpfs "$1" && cp -a "$2/." "$1" || exit 99
used=$(df -k --output=used "$1" | tail -1)
mount -o remount,size=$((used + $3))k tmpfs "$1" || exit 99
shift 3; "$@"; status=$?
cp -a "$RUN/." "$AFTERWARDS"; exit $status
"""
IN_A_READ_ONLY_DISK = """
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99
shift 3; exec "$@"
"""
COULD_NOT_MOUNT = 99
"""The exit status of these scripts then."""


def why_not_mount() -> str | None:
    """Why a file system cannot be mounted in a namespace here; None if it can."""
    if shutil.which("unshare") is None:
        return "there is no unshare(1)"
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else " ".join(done.stderr.split()) or "unshare failed"


def run_disk(case: str, seed: int, unbroken: Unbroken, directory: Path) -> Tally:
    """Let a disk fail under a training. `case` is backend:failure."""
    backend, _, failure = case.partition(":")
    tally = Tally("disks that fail")
    if failure != "moved" and (why := why_not_mount()) is not None:
        tally.skipped.append(f"a disk that is {failure} cannot be made here: {why}")
        return tally
    tally.tried = 1
    try:
        _run_disk(backend, failure, Random(f"{seed} {case}"), unbroken, directory)
        tally.endings[f"{failure}, and nothing lost"] += 1
    except Fault as fault:
        tally.found.append(Found(fault.kind, f"{case}: {fault}", repeat("kills", seed, case)))
    return tally


def _run_disk(backend: str, failure: str, rng: Random, unbroken: Unbroken, directory: Path) -> None:
    directory.mkdir(parents=True)
    run, aside = directory / "run", directory / "aside"
    begun(backend, run, unbroken)
    before = check_state(run, unbroken, least=None)
    if failure == "moved":
        at = rng.randint(8, 40)  # not before the training has claimed its directory
        doom = Doom(str(run), str(directory / "journal"), "move", at=at, aside=str(aside))
        ended = wait(start(backend, unbroken.text, run, doom, "--resume"), doom, clock=None)
        check_explained(ended, str(run))
        if run.exists():
            raise Fault("lost", f"{run} was moved away, and made anew")
        aside.rename(run)
    elif failure == "read-only":
        ended = in_namespace(IN_A_READ_ONLY_DISK, backend, unbroken, run, run, 0, aside)
        check_explained(ended, str(run), "Read-only file system")
    else:
        full, free = directory / "full", PAGE * rng.randint(0, MOST_PAGES)
        full.mkdir()
        aside.mkdir()
        ended = in_namespace(IN_A_FULL_DISK, backend, unbroken, full, run, free, aside)
        check_explained(ended, str(full), "No space left on device")
        shutil.rmtree(run)
        aside.rename(run)
        if left := leftovers(run):
            raise Fault("lost", f"on a full disk, {sorted(left)} were left")
    check_state(run, unbroken, before)
    ended = wait(start(backend, unbroken.text, run, None, "--resume"), None, clock=None)
    if ended.status != 0:
        raise Fault("lost", f"it did not go on: {ended.stderr[-2000:]}")
    check_finished(run, unbroken)


def begun(backend: str, run: Path, unbroken: Unbroken) -> None:
    """Train the first steps, and stop there by SIGKILL, in the middle of the third save."""
    doom = Doom(str(run), str(run.parent / "journal"), "kill", at=30, within="checkpoints")
    wait(start(backend, unbroken.text, run, doom), doom, clock=None)


def in_namespace(
    script: str, backend: str, unbroken: Unbroken, mount: Path, run: Path, free: int, after: Path
) -> Ended:
    """Resume a training in `mount`, which the script makes a file system of its own.

    Args:
        script: for sh, with three arguments: `mount`, `run`, `free`; and then the training's.
        backend: whose training it is.
        unbroken: for the text.
        mount: the directory where the training sees the file system.
        run: what is on it at first.
        free: KiB that are free on it.
        after: where the script puts what is on it at last.
    """
    where = ["--dataset", str(unbroken.text), "--out", str(mount), "--resume"]
    training = [sys.executable, "-m", f"impls.{backend}.train", *where, *OPTIONS]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(mount), str(run), str(free), *training],
        cwd=ROOT,
        env={**ENVIRONMENT, "RUN": str(mount), "AFTERWARDS": str(after)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode == COULD_NOT_MOUNT:
        raise Fault("traceback", f"the file system of this case cannot be made: {done.stderr}")
    return Ended(done.returncode, done.stderr, ())
