"""How the fuzz calls all backends, and what is true of every call, whichever it is."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis.stateful import RuleBasedStateMachine

from conformance.compare import Disagreement
from conformance.fuzz.alike import check_alike
from conformance.fuzz.drawn import Setting
from conformance.fuzz.watch import Watch
from conformance.limits import MARGIN, limit_of
from conformance.panel import Panel
from shared.config import TrainConfig
from shared.protocol import CAPABILITIES, Model, Trainer, TrainState


@dataclass
class Models:
    """The same model in every backend."""

    each: dict[str, Model]
    drift: float = 0.0
    """How far rounding may have driven the weights apart by now."""


@dataclass
class Trainers:
    """A trainer of the same model in every backend."""

    models: Models
    each: dict[str, Trainer]
    config: TrainConfig
    steps: int = 0

    def count_step(self, rate: float, dtype: str) -> None:
        """Where a gradient is truly zero, rounding comes out, another in every backend. AdamW
        divides it by itself plus epsilon: it moves a weight by up to rate · rounding / epsilon."""
        self.steps += 1
        if self.config.optimizer == "adamw":
            self.models.drift += rate * float(np.finfo(dtype).eps) / self.config.epsilon


@dataclass
class States:
    """The state that each backend's trainer was in. Backends are given copies only."""

    each: dict[str, TrainState]
    config: TrainConfig

    def of(self, backend: str) -> TrainState:
        """That of a backend, or of the first, if it is one that does not train."""
        return self.each.get(backend, next(iter(self.each.values())))


@dataclass
class Tally:
    """What was tried."""

    batches: int = 0
    examples: int = 0
    calls: int = 0


class Caller(RuleBasedStateMachine):
    """Calls all backends alike, and sees to it that nothing changes but what a call is for."""

    def __init__(
        self,
        panel: Panel,
        setting: Setting,
        directory: Path,
        tally: Tally,
        clock: Callable[[], None],
    ) -> None:
        super().__init__()
        self.panel, self.setting, self.directory = panel, setting, directory
        self.tally, self.clock = tally, clock
        self.watch, self.asked = Watch(), 0

    def ask(
        self,
        method: str,
        each: Mapping[str, Any],
        given: Callable[[], tuple] = tuple,
        allowed: tuple[type[Exception], ...] = (),
        **options: Any,
    ) -> dict[str, Any]:
        """What each backend answers to arguments of its own, if it claims to have the method. A
        warning is a failure, and so is an exception, unless it is allowed: then its name counts as
        the answer."""
        self.clock()
        self.tally.calls += 1
        self.asked += 1
        what = f"call {self.asked}, {method}"
        lacking = self.panel.lacking([key for key in CAPABILITIES if CAPABILITIES[key] == method])
        answers = {}
        for name in [name for name in each if name not in lacking]:
            arguments = given()
            self.watch.keep(f"{what}, given to {name}", arguments)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    answers[name] = getattr(each[name], method)(*arguments, **options)
            except allowed as error:
                answers[name] = type(error).__name__
            except Exception as error:
                message = f"{name}: {method} raised {type(error).__name__}: {error}"
                raise Disagreement(message, culprits=(name,)) from error
            self.watch.keep(f"{what}, from {name}", answers[name])
        self.watch.check()
        return answers

    def agree(
        self, check: str, answers: Mapping[str, Any], models: Models, floor: float = 1.0
    ) -> None:
        """Within the limit of a check of the suite, and what the steps so far add to it."""
        dtype = self.setting.dtype
        numbers = any(isinstance(answer, float) for answer in answers.values())
        limit = limit_of(check, dtype) + MARGIN * models.drift
        check_alike(check, answers, limit, "float64" if numbers else dtype, floor)

    def teardown(self) -> None:
        self.watch.restore()
        self.tally.examples += bool(self.watch.kept)  # hypothesis also begins some for nothing
