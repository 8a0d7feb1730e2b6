"""A batch of examples, and the shortest one that fails."""

import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.database import InMemoryExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from conformance.fuzz.caller import Tally
from conformance.fuzz.drawn import draw_setting
from conformance.fuzz.machine import Machine
from conformance.panel import Panel

EXAMPLES, RULES = 30, 25
"""Examples per batch, and rules per example."""
SECONDS_TO_SHRINK = 60.0


class TimeIsOver(KeyboardInterrupt):
    """The exception that ends hypothesis. Any other one counts as a failing example."""


@dataclass
class Batch:
    """Examples that share a setting. The seed decides about that and all they draw."""

    seed: str
    panel: Panel
    tally: Tally
    directory: Path

    def __post_init__(self) -> None:
        self.setting = draw_setting(random.Random(self.seed))
        self.failing = InMemoryExampleDatabase()
        self.shrink_until: float | None = None

    def failure(self, end: float) -> Exception | None:
        """What the shortest failing example raises, with its calls as notes; None if none fails."""
        found = self.attempt(end, Phase.generate, Phase.shrink)
        if found is None and self.failing.data:  # time was over before it was as short as can be
            self.shrink_until = math.inf
            found = self.attempt(end, Phase.reuse)
        return found

    def attempt(self, end: float, *phases: Phase) -> Exception | None:
        """Try the examples. Returns what one raises, or None if none does or time is over."""

        def clock() -> None:
            now = monotonic()
            if self.failing.data and self.shrink_until is None:
                self.shrink_until = now + SECONDS_TO_SHRINK
            if now > (self.shrink_until or end):
                raise TimeIsOver

        @seeded(self.seed)
        def machine() -> Machine:
            return Machine(self.panel, self.setting, self.directory, self.tally, clock)

        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=RULES,
                    phases=phases,
                    database=self.failing,
                    derandomize=False,
                    deadline=None,
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        except TimeIsOver:
            return None
        except Exception as error:
            return error
        finally:
            if jax := sys.modules.get("jax"):
                jax.clear_caches()  # the next setting does not use code compiled for this one
        return None
