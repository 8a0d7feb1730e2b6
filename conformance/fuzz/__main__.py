"""Try to make the backends disagree: random calls in random order, for some minutes.

Exit status 1 if they do, after the shortest sequence of calls that shows it.
"""

import contextlib
import math
import os
import secrets
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Annotated

from hypothesis import configuration
from threadpoolctl import threadpool_limits
from tyro.conf import UseAppendAction, arg

from conformance.fuzz.batch import Batch
from conformance.fuzz.caller import Tally
from conformance.panel import Panel, judged
from shared.commands.options import UsageError, parse
from shared.commands.terminal import run_command, say
from shared.protocol import load_backend

PROGRAM = "nox -s fuzz --"
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    # Compiled code runs only a few times: optimizing it costs more than it saves.
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
}


@dataclass(frozen=True)
class Options:
    """How long to fuzz, and which backends."""

    minutes: float = 10.0
    """When to stop. Shortening a failing example takes at most a minute more."""
    seed: Annotated[int | None, arg(metavar="INT")] = None
    """The same seed tries the same examples. By default a new one, which is printed."""
    backend: UseAppendAction[tuple[str, ...]] = field(default=())
    """A backend to try, as in `nox -s conformance`: your own joins the three; repeatable."""

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf:
            raise UsageError(f"minutes is {self.minutes}; it must be a number above 0")
        if self.seed is not None and self.seed < 0:
            raise UsageError(f"seed is {self.seed}; it must be 0 or more")
        if len(judged(self.backend)) < 2:
            raise UsageError(f"{self.backend[0]} alone has no other backend to agree with")


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz as the command line asks. Returns the exit status."""
    return run_command(lambda: _fuzz(argv))


def _fuzz(argv: Sequence[str] | None) -> int:
    options = parse(Options, argv, default=Options(), prog=PROGRAM, description=__doc__ or "")
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    end = monotonic() + 60 * options.minutes
    if "jax" in judged(options.backend):
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
    panel = Panel({name: load_backend(name) for name in judged(options.backend)})
    words = ["--seed", str(seed), "--minutes", f"{options.minutes:g}"]
    words += [word for name in options.backend for word in ("--backend", name)]
    command = f"{PROGRAM} {shlex.join(words)}"
    say(f"trying {', '.join(panel.backends)}: {command}")
    tally, batch, failure = Tally(), None, None
    with surroundings() as directory:
        while failure is None and monotonic() < end:
            batch = Batch(f"{seed} {tally.batches}", panel, tally, directory)
            tally.batches += 1
            failure = batch.failure(end)
    tried = (
        f"{tally.examples:,} examples of {tally.calls:,} calls of every backend "
        f"in {tally.batches:,} configurations"
    )
    if failure is None:
        print(f"all agree: {tried}")
        return 0
    assert batch is not None
    parts = getattr(failure, "exceptions", ())  # if it does not fail every time
    calls = "\n".join([*getattr(failure, "__notes__", ()), *map(str, parts)])
    print(f"{failure}\n\nin {batch.setting.dtype} with {batch.setting.config}\n{calls}\n")
    print(f"found after {tried}; again: {command}")
    return 1


@contextlib.contextmanager
def surroundings() -> Iterator[Path]:
    """One thread, a directory for saved files, and warnings that are shown every time."""
    torch = sys.modules.get("torch")
    before = torch and torch.is_warn_always_enabled()
    with threadpool_limits(limits=1), tempfile.TemporaryDirectory() as directory:
        configuration.set_hypothesis_home_dir(directory)  # not in the current directory
        try:
            if torch:
                torch.set_warn_always(True)  # not only once: examples are repeated
            yield Path(directory)
        finally:
            if torch:
                torch.set_warn_always(before)
            configuration.set_hypothesis_home_dir(None)


if __name__ == "__main__":
    sys.exit(main())
