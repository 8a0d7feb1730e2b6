"""A training that is interrupted at a chosen moment.

    python -m audits.reliability.doomed '{"at": 17, …}' impls.numpy.train --steps 12

The program itself is unchanged. Python reports each file that it opens, renames or removes (audit
events, PEP 578); those in the run's directory are counted and written to a journal. The training is
interrupted just before the n-th event, or some time after it, perhaps in the middle of a write.
"""

import json
import os
import runpy
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

READ = "read"
"""The journal's name for opening a file to read it."""


@dataclass(frozen=True)
class Doom:
    """The interruption of a training."""

    run: Path
    """Its absolute directory."""
    act: Literal["kill", "move"] = "kill"
    """SIGKILL; or the run's directory is moved to `aside`."""
    at: int = 0
    """The number of the event, from 1. 0: never."""
    within: str = ""
    """Count only events in this folder of the run. Empty: all in the run's directory. Reading a
    file is not counted."""
    after: float = 0.0
    """Seconds from the event to the SIGKILL. The training continues meanwhile."""

    @property
    def journal(self) -> Path:
        """The file with one line for each event of the training: its name and paths."""
        return self.run.with_name(f"{self.run.name}.journal")

    @property
    def aside(self) -> Path:
        return self.run.with_name(f"{self.run.name}.aside")

    def to_json(self) -> str:
        return json.dumps(vars(self), default=str)


class Fate:
    """Follows a training through its audit events."""

    def __init__(self, doom: Doom) -> None:
        self.doom = doom
        self.journal = os.open(doom.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.count = 0
        self.busy = False

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook. Its own actions raise events, too, which are not counted."""
        if self.busy:
            return
        self.busy = True
        try:
            paths = touched(event, arguments)
            if concerns(self.doom.run, paths):
                self.note(READ if is_reading(event, arguments, paths) else event, paths)
        finally:
            self.busy = False

    def note(self, event: str, paths: list[Path]) -> None:
        """Record an event, and interrupt if it is the chosen one."""
        os.write(self.journal, ("\t".join([event, *map(str, paths)]) + "\n").encode())
        if event == READ or not concerns(self.doom.run / self.doom.within, paths):
            return
        self.count += 1
        if self.count != self.doom.at:
            return
        if self.doom.act == "move":
            self.doom.run.rename(self.doom.aside)
        elif self.doom.after:
            timer = threading.Timer(self.doom.after, os.kill, [os.getpid(), signal.SIGKILL])
            timer.daemon = True
            timer.start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def touched(event: str, arguments: tuple[Any, ...]) -> list[Path]:
    """The absolute paths of an event; none if it does not concern files."""
    match event, arguments:
        case (("open" | "os.truncate" | "shutil.rmtree"), (name, *_)):
            named = [(name, -1)]
        case ("os.mkdir", (name, _, directory)) | ("os.rmdir" | "os.remove", (name, directory)):
            named = [(name, directory)]
        case "os.rename", (old, new, *directories):
            named = list(zip((old, new), directories, strict=True))
        case _:
            return []
    return [
        # shutil.rmtree names files relative to a directory that it has opened.
        (Path.cwd() if directory < 0 else Path(f"/proc/self/fd/{directory}").readlink())
        / os.fsdecode(name)
        for name, directory in named
        if isinstance(name, str | bytes | Path)
    ]


def concerns(directory: Path, paths: list[Path]) -> bool:
    """Whether one of the paths is the directory or in it."""
    return any(path.is_relative_to(directory) for path in paths)


def is_reading(event: str, arguments: tuple[Any, ...], paths: list[Path]) -> bool:
    """Whether a file is opened only for reading. (A directory is opened to sync it to disk.)"""
    writing = event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR)
    return not writing and not paths[0].is_dir()


def main(doom: str, module: str, *arguments: str) -> None:
    """Run `module` as `python -m` would, with the audit hook."""
    table = json.loads(doom)
    sys.addaudithook(Fate(Doom(**table | {"run": Path(table["run"])})).hear)
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
