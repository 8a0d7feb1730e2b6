"""A training in several processes: one of them writes and speaks, and none is left waiting."""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path

from shared.commands.terminal import CHECK_ONLY, USER_ERROR
from shared.errors import BackendError, RunError, UserError
from shared.processes import Parallel, ParallelBackend, World, find_world
from shared.protocol import Backend
from shared.runs.directory import RunDirectory
from shared.runs.loop import last_good

LOST = ("gloo", "nccl")
"""Libraries that torch and JAX talk through: in an error, they mean that another process is gone.
mpiexec ends all of them by itself."""


class Together:
    """This process among those of one training; usually it is the only one."""

    def __init__(self) -> None:
        self.world = World()
        self.joined: Parallel | None = None

    @contextmanager
    def one_speaks(self, backend: str) -> Iterator[None]:
        """Process 0 writes messages. The others write only errors, and those only once joined:
        before that, each checks the same."""
        self.world = find_world(backend)
        if self.world.rank == 0:
            yield
            return
        try:
            with (
                Path(os.devnull).open("w") as nowhere,
                redirect_stdout(nowhere),
                redirect_stderr(nowhere),
            ):
                yield
        except UserError:
            if not self.joined:
                raise SystemExit(USER_ERROR) from None
            raise

    def join(self, backend: Backend) -> World:
        """Meet the other processes, if there are any and there will be a training.

        Raises:
            BackendError: the backend trains in one process only.
        """
        if self.world.size > 1 and not os.environ.get(CHECK_ONLY):
            if not isinstance(backend, ParallelBackend):
                raise BackendError(f"{backend.name} has no parallel.py: it trains in one process")
            backend.parallel.join(self.world.rank, self.world.size)
            self.joined = backend.parallel
            self.world = World(self.world.rank, self.world.size, self.joined.most)
        return self.world

    @contextmanager
    def writing(self, run: RunDirectory, *, resume: bool, overwrite: bool) -> Iterator[None]:
        """Claim the run in process 0. Raises `RunError` if another process has ended meanwhile."""
        claim = run.claim(resume=resume, overwrite=overwrite)
        with claim if self.world.rank == 0 else nullcontext():
            try:
                yield
            except (RuntimeError, ValueError) as error:
                if not self.joined or not any(sign in str(error).lower() for sign in LOST):
                    raise
                raise RunError(
                    f"process {self.world.rank} of {self.world.size} stopped: another one has "
                    f"ended. {last_good(run)}; --resume takes any number of processes"
                ) from error

    def leave(self) -> None:
        """Part from the others at the end of a training."""
        if self.joined:
            self.joined.leave()
            self.joined = None

    def end(self, command: Callable[[], int]) -> int:
        """Run the command. If it ends before the others, end at once: Python's exit would wait for
        them, and they for this process."""
        try:
            status = command()
        except BaseException:
            if not self.joined:
                raise
            traceback.print_exc()
            status = 1
        if self.joined:
            sys.stderr.flush()
            time.sleep(1.0 if self.world.rank else 2.0)  # let the others say theirs
            self.joined.abandon(status)
        return status
