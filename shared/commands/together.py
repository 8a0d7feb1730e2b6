"""Training in several processes: only one writes and prints, and none is left waiting."""

import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from typing import Any

from shared.commands.terminal import CHECK_ONLY, INTERRUPTED, OK, USER_ERROR, run_command
from shared.errors import BackendError, RunError, UserError
from shared.processes import ParallelBackend, World, find_world
from shared.protocol import Backend
from shared.runs.directory import RunDirectory
from shared.runs.loop import last_good


class Together:
    """This process among those of one training; usually it is the only one."""

    world = World()
    joined: Any = None
    """The backend's `parallel`, once the processes have joined."""

    def run(self, backend: str, command: Callable[[], int]) -> int:
        """Run the command. If it fails, end at once: a normal exit would wait for the others, and
        they for this process."""
        try:
            status = run_command(lambda: self._one_speaks(backend, command))
        except BaseException:
            if not self.joined:
                raise
            traceback.print_exc()
            status = 1
        if self.joined:
            sys.stderr.flush()
            if failed := status not in (OK, INTERRUPTED):
                time.sleep(1.0 if self.world.rank else 2.0)  # let the others report why they end
            self.joined.leave(status if failed else OK)
        return status

    def _one_speaks(self, backend: str, command: Callable[[], int]) -> int:
        """Process 0 prints messages; the others print only errors, and only once they have joined:
        process 0 finds all earlier ones, too."""
        self.world = find_world(backend)
        if self.world.rank == 0:
            return command()
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                return command()
        except UserError:
            if self.joined:
                raise
            return USER_ERROR

    def join(self, backend: Backend) -> World:
        """Join the other processes, if any. Raises `BackendError` if the backend cannot."""
        if self.world.size > 1 and not os.environ.get(CHECK_ONLY):
            if not isinstance(backend, ParallelBackend):
                raise BackendError(f"{backend.name} offers no `parallel`: it trains in one process")
            backend.parallel.join(self.world.rank, self.world.size)
            self.joined = backend.parallel
            self.world = World(self.world.rank, self.world.size, self.joined.most)
        return self.world

    @contextmanager
    def writing(self, run: RunDirectory, **mode: bool) -> Iterator[None]:
        """Claim the run in process 0. Raises `RunError` if another process has ended meanwhile."""
        with run.claim(**mode) if self.world.rank == 0 else nullcontext():
            try:
                yield
            except (RuntimeError, ValueError) as error:
                # gloo connects the processes of torch and JAX; mpiexec itself ends all processes.
                if not self.joined or "gloo" not in str(error).lower():
                    raise
                raise RunError(
                    f"process {self.world.rank} of {self.world.size} stopped: another one has "
                    f"ended. {last_good(run)}; --resume takes any number of processes"
                ) from error
