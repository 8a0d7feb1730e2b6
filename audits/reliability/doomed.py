"""A training that is struck at a moment that was chosen beforehand.

    python -m audits.reliability.doomed '{"act": "kill", "at": 17, …}' impls.numpy.train --steps 12

The program itself is left as it is. Python tells of each file that it opens, renames or removes
(audit events, PEP 578); those in the run's directory are counted and noted in a journal. At the
n-th one the blow falls: just before it, or a chosen moment later, perhaps in the middle of a write.
"""

import json
import os
import runpy
import shutil
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DIRECTORY_ARGUMENT = {
    "open": None,
    "os.rename": 2,
    "os.mkdir": 2,
    "os.rmdir": 1,
    "os.remove": 1,
    "os.truncate": None,
    "shutil.rmtree": None,
}
"""The events that concern files: where in their arguments the open directory is, if there is one,
that the path is relative to."""


READ = "read"
"""What the journal calls opening a file to read it."""


@dataclass(frozen=True)
class Doom:
    """What is to happen to a training."""

    run: str
    """Its directory, absolute."""
    journal: str
    """The file that takes down what the training does there, a line each: event and paths."""
    act: Literal["kill", "move", "copy"]
    """SIGKILL; or the run's directory is moved to `aside`; or, with no harm done, every checkpoint
    is copied there as soon as it is complete."""
    at: int = 0
    """At which event, counted from 1. 0: never."""
    within: str = ""
    """Only events in this folder of the run are counted. Empty: all in the run's directory. To read
    a file is not counted."""
    after: float = 0.0
    """Seconds from the event to the SIGKILL. The training goes on meanwhile."""
    aside: str = ""


class Fate:
    """Follows a training through its audit events."""

    def __init__(self, doom: Doom) -> None:
        self.doom = doom
        self.journal = os.open(doom.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.count = 0
        self.complete: Path | None = None
        self.busy = False

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook. What is done in here raises events, too: those are not counted."""
        if self.busy or event not in DIRECTORY_ARGUMENT:
            return
        self.busy = True
        try:
            paths = touched(event, arguments)
            if concerns(self.doom.run, paths):
                self.event(READ if is_reading(event, arguments, paths) else event, paths)
        finally:
            self.busy = False

    def event(self, event: str, paths: list[Path]) -> None:
        os.write(self.journal, ("\t".join([event, *map(str, paths)]) + "\n").encode())
        if self.doom.act == "copy" and self.complete is not None:
            kept = Path(self.doom.aside) / self.complete.name
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.complete, kept)
        self.complete = completed(event, paths)
        if event != READ and concerns(str(Path(self.doom.run) / self.doom.within), paths):
            self.count += 1
            if self.count == self.doom.at:
                self.strike()

    def strike(self) -> None:
        if self.doom.act == "move":
            Path(self.doom.run).rename(self.doom.aside)
        elif self.doom.after:
            timer = threading.Timer(self.doom.after, die)
            timer.daemon = True
            timer.start()
        else:
            die()


def touched(event: str, arguments: tuple[Any, ...]) -> list[Path]:
    """The paths that an event is about, absolute."""
    names = arguments[: 2 if event == "os.rename" else 1]
    where = DIRECTORY_ARGUMENT[event]
    descriptor = arguments[where] if where is not None and where < len(arguments) else -1
    base = Path.cwd()
    if isinstance(descriptor, int) and descriptor >= 0:  # shutil.rmtree names files like this
        base = Path(f"/proc/self/fd/{descriptor}").readlink()
    return [base / os.fsdecode(name) for name in names if isinstance(name, str | bytes | Path)]


def is_reading(event: str, arguments: tuple[Any, ...], paths: list[Path]) -> bool:
    """Whether a file is opened to be read alone. (A directory is opened to be forced to disk.)"""
    if event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return False
    return not paths[0].is_dir()


def concerns(directory: str, paths: list[Path]) -> bool:
    """Whether one of the paths is the directory or in it."""
    return any(path.is_relative_to(directory) for path in paths)


def completed(event: str, paths: list[Path]) -> Path | None:
    """The checkpoint that will be there when this event is over, if it brings one."""
    moved = event == "os.rename" and paths[-1].parent.name == "checkpoints"
    return paths[-1] if moved and paths[-1].name.isdigit() else None


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(doom: str, module: str, *arguments: str) -> None:
    """Run `module` as `python -m` would, under watch."""
    sys.addaudithook(Fate(Doom(**json.loads(doom))).hear)
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
