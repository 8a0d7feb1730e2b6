"""Try to make the backends disagree: random calls in random order, for some minutes.

If they do, prints the shortest sequence of calls that shows it and exits with status 1.
"""

import math
import os
import random
import secrets
import shlex
import sys
import tempfile
from dataclasses import dataclass, field
from time import monotonic
from typing import Annotated

from hypothesis import HealthCheck, Phase, configuration, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test
from threadpoolctl import threadpool_limits
from tyro.conf import UseAppendAction, arg

from conformance.conftest import QUICK
from conformance.fuzz.caller import Run, TimeIsOver
from conformance.fuzz.drawn import Setting, draw_setting
from conformance.fuzz.machine import Machine
from conformance.panel import Panel, judged
from shared.commands.options import UsageError, command
from shared.commands.terminal import say
from shared.protocol import load_backend

PROGRAM = "nox -s fuzz --"
EXAMPLES, RULES = 30, 25
"""Examples that share a setting, and rules per example."""


@dataclass(frozen=True)
class Options:
    minutes: float = 10.0
    """Stop after this many minutes. Shortening a failing example may take a few more."""
    seed: Annotated[int | None, arg(metavar="INT")] = None
    """The same seed tries the same examples. By default, a new one is chosen and printed."""
    backend: UseAppendAction[tuple[str, ...]] = field(default=())
    """A backend to try, as in `nox -s conformance`: your own joins the three. Repeatable."""

    def __post_init__(self) -> None:
        if not 0 < self.minutes < math.inf:
            raise UsageError(f"minutes is {self.minutes}; it must be a number above 0")
        if self.seed is not None and self.seed < 0:
            raise UsageError(f"seed is {self.seed}; it must be 0 or more")
        if len(judged(self.backend)) < 2:
            raise UsageError(f"{self.backend[0]} alone has no other backend to agree with")


@command
def main(options: Options) -> int:
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    end = monotonic() + 60 * options.minutes
    if "jax" in judged(options.backend):
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        os.environ.setdefault("XLA_FLAGS", QUICK)
    panel = Panel({name: load_backend(name) for name in judged(options.backend)})
    words = ["--seed", str(seed), "--minutes", f"{options.minutes:g}"]
    words += [word for name in options.backend for word in ("--backend", name)]
    again = f"{PROGRAM} {shlex.join(words)}"
    say(f"trying {', '.join(panel.backends)}: {again}")
    if torch := sys.modules.get("torch"):
        torch.set_warn_always(True)  # every time: examples are repeated
    with threadpool_limits(limits=1), tempfile.TemporaryDirectory() as directory:
        configuration.set_hypothesis_home_dir(directory)  # not in the current directory
        run, failure = Run(panel, end), None
        while failure is None and monotonic() < end:
            batch = f"{seed} {run.batches}"
            setting = draw_setting(random.Random(batch))
            run.batches += 1
            failure = failure_in(run, setting, batch)
    tried = (
        f"{run.examples:,} examples of {run.calls:,} calls of every backend "
        f"in {run.batches:,} configurations"
    )
    if failure is None:
        print(f"all agree: {tried}")
        return 0
    parts = getattr(failure, "exceptions", ())  # of a group, if it does not fail every time
    calls = "\n".join([*getattr(failure, "__notes__", ()), *map(str, parts)])
    print(f"{failure}\n\nin {setting.dtype} with {setting.config}\n{calls}\n")
    print(f"found after {tried}; again: {again}")
    return 1


def failure_in(run: Run, setting: Setting, seed: str) -> Exception | None:
    """The exception of the shortest failing example in a setting, with its calls as notes; None if
    none fails or time is up. The seed determines everything that is drawn."""

    @seeded(seed)
    def machine() -> Machine:
        return Machine(run, setting)

    failure: Exception | None = None
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                **{"max_examples": EXAMPLES, "stateful_step_count": RULES, "deadline": None},
                **{"database": run.failing, "derandomize": False, "report_multiple_bugs": False},
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
    except TimeIsOver:
        pass
    except Exception as error:
        failure = error
    if jax := sys.modules.get("jax"):
        jax.clear_caches()  # the next setting cannot use code compiled for this one
    return failure


if __name__ == "__main__":
    sys.exit(main())
