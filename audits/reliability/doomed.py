"""A training that is killed at a chosen moment.

    python -m audits.reliability.doomed '{"at": 17, …}' impls.numpy.train --steps 12

The program itself is unchanged. Python reports each file that it opens, renames or removes (audit
events, PEP 578); those that write in the run's directory are counted. The training is killed just
before the n-th event, or some time after it, perhaps in the middle of a write.
"""

import json
import os
import runpy
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Doom:
    """When to kill a training."""

    run: Path
    """Its absolute directory."""
    at: int = 0
    """The number of the event, from 1. 0: never."""
    within: str = ""
    """Count only events in this folder of the run. Empty: all in the run's directory."""
    after: float = 0.0
    """Seconds from the event to the SIGKILL. The training continues meanwhile."""
    count: int = 0
    """Events so far."""

    def to_json(self) -> str:
        return json.dumps(vars(self), default=str)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook: count an event, and kill if it is the chosen one."""
        folder = self.run / self.within
        if not any(path.is_relative_to(folder) for path in touched(event, arguments)):
            return
        self.count += 1
        if self.count != self.at:
            return
        if self.after:
            timer = threading.Timer(self.after, os.kill, [os.getpid(), signal.SIGKILL])
            timer.daemon = True
            timer.start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)


def touched(event: str, arguments: tuple[Any, ...]) -> list[Path]:
    """The absolute paths that an event writes, removes or renames."""
    match event, arguments:
        case ("open", (name, _, flags)) if flags & (os.O_WRONLY | os.O_RDWR):
            named = [(name, -1)]
        case (("os.truncate" | "shutil.rmtree"), (name, *_)):
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


def main(doom: str, module: str, *arguments: str) -> None:
    """Run `module` as `python -m` would, with the audit hook."""
    table = json.loads(doom)
    sys.addaudithook(Doom(**table | {"run": Path(table["run"])}).hear)
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
