"""The directory of one training run, and the rules for writing to it.

    RUN/metrics.jsonl          one line per step
    RUN/loss.png               the same as a picture
    RUN/checkpoints/000500/    to sample and resume from
    RUN/.lock                  held by the one process that writes
    RUN/.replaced/             an earlier run, until the one that replaces it has saved something

One writer at a time; an earlier run is removed only on request; nothing else is ever touched.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from shared.checkpoints import directories
from shared.checkpoints.parts import FILES
from shared.errors import RunError
from shared.files import explained
from shared.runs.metrics import Metrics


class RunDirectory:
    """The paths in a run directory. Constructing one touches nothing on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = path / "metrics.jsonl"
        self.plot = path / "loss.png"
        self.checkpoints = path / "checkpoints"
        self.replaced = path / directories.REPLACED
        self.lock = path / ".lock"

    def holds_a_run(self) -> bool:
        return any(path.exists() for path in (self.metrics, self.checkpoints, self.replaced))

    def check_writable_as(self, *, resume: bool = False, overwrite: bool = False) -> None:
        """Refuse what `claim` would refuse, before anything slow is done.

        Raises:
            RunError: the path is a file; one of the run's own files is a symbolic link; it holds a
                run and neither `resume` nor `overwrite` is given; `overwrite` would delete files
                that are not a run's; or it is a model, or a part of one or of another run.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file; a run needs a directory")
        self._refuse_links()
        if resume:
            return
        if model := directories.model_around(self.path):
            raise RunError(
                f"no run can be kept in {self.path}: {model} holds a model, which would be read "
                f"instead; choose another --out"
            )
        if not self.holds_a_run():
            return
        if not overwrite:
            raise RunError(
                f"{self.path} already holds a run: go on with --resume, replace it with "
                f"--overwrite, or choose another --out"
            )
        self._own_files()

    @contextmanager
    def claim(self, *, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
        """Be the only writer inside the block; `overwrite` replaces the run that was here.

        The old run is moved aside and removed at the end. If nothing new was saved by then, it is
        put back; after a crash, the next claim does that.

        The lock is the operating system's: it ends with the process that holds it, however that
        ends, so a leftover .lock file means nothing. Raises `RunError` as `check_writable_as` does,
        or if the directory is in use or cannot be written."""
        self.check_writable_as(resume=resume, overwrite=overwrite)
        with explained("write to", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.lock, timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise RunError(f"{self.path} is in use: another training writes to it") from None
        try:
            # Again, under the lock: another training may have written here in between.
            self.check_writable_as(resume=resume, overwrite=overwrite)
            self._settle()
            if overwrite and not resume:
                self._step_aside()
            try:
                with explained("write to", self.path):
                    self.checkpoints.mkdir(exist_ok=True)
                    self._clean()
                yield
            except BaseException:
                with suppress(RunError):  # the first error is what matters
                    self._settle()
                raise
            self._settle()
        finally:
            lock.release()

    def _refuse_links(self) -> None:
        """Refuse links: in a run from elsewhere, they could redirect writes to any file."""
        own = [self.metrics, self.plot, self.checkpoints, self.replaced, self.lock]
        for directory in (self.checkpoints, self.replaced, self.replaced / self.checkpoints.name):
            if directory.is_dir():
                own += directory.iterdir()
        for path in own:
            if path.is_symlink():
                raise RunError(
                    f"{path} is a symbolic link, and a run keeps to its own directory: remove the "
                    f"link, or choose another --out"
                )

    def _clean(self) -> None:
        """Remove what interrupted writes left."""
        for path in (self.metrics, self.plot):
            for partial in self.path.glob(f".{path.name}.*partial"):
                partial.unlink()
        directories.clean_leftovers(self.checkpoints)

    def retire(self, rows: Sequence[Metrics], keep: int) -> None:
        """Remove all checkpoints but the `keep` newest and the one with the lowest validation loss.

        Each is renamed first, so that a crash leaves no half of it in its place. Raises `RunError`.
        """
        steps = sorted(int(path.name) for path in self.checkpoints.iterdir() if path.name.isdigit())
        losses = {row.step: row.val_loss for row in rows if row.val_loss is not None}
        best = min((step for step in steps if step in losses), key=losses.__getitem__, default=None)
        for step in steps[:-keep]:
            if step != best:
                path = directories.checkpoint_path(self.path, step)
                with explained("remove", path):
                    directories.remove_directory(path)

    def _own_files(self) -> list[Path]:
        """The files here that training wrote.

        Raises `RunError` if checkpoints/ holds anything else: this may not be a run at all, and
        deleting it could lose data.
        """
        inside = sorted(self.checkpoints.iterdir()) if self.checkpoints.is_dir() else []
        for entry in inside:
            if not _is_checkpoint(entry):
                raise RunError(f"{entry} is not part of a run: nothing of {self.path} was deleted")
        return [path for path in (self.metrics, self.plot, *inside) if path.exists()]

    def _step_aside(self) -> None:
        """Move the run aside, checkpoints first: while any are here, the run counts as saved."""
        own = self._own_files()
        with explained("replace", self.path):
            self.replaced.mkdir()
            for path in (self.checkpoints, self.metrics, self.plot):
                if path in own or path.is_dir():  # own files, and the directory that held them
                    path.rename(self.replaced / path.name)

    def _settle(self) -> None:
        """Finish a replacement: remove the old run if the new one has saved, otherwise put it back.

        It may be interrupted anywhere and repeated, because checkpoints are put back last.
        """
        if not self.replaced.is_dir():
            return
        with explained("replace", self.path):
            if not directories.checkpoints_by_step(self.checkpoints):
                for path in (self.metrics, self.plot, self.checkpoints):
                    old = self.replaced / path.name
                    if old.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    if old.exists():
                        old.replace(path)
            shutil.rmtree(self.replaced)


def _is_checkpoint(entry: Path) -> bool:
    """Whether this is a directory that `save_checkpoint` made or began to make."""
    return (
        re.fullmatch(r"\d{6,}|\..*", entry.name) is not None
        and entry.is_dir()
        and not entry.is_symlink()
        and {file.name for file in entry.iterdir()} <= FILES
    )
