"""Calls all backends alike, and checks the properties of every call."""

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
    """How far apart rounding may have driven the weights so far."""


@dataclass
class Trainers:
    """A trainer of the same model in every backend."""

    models: Models
    each: dict[str, Trainer]
    config: TrainConfig
    steps: int = 0

    def count_step(self, rate: float, dtype: str) -> None:
        """If a gradient is truly zero, backends compute different rounding noise. AdamW divides it
        by itself plus epsilon, which moves a weight by up to rate · rounding / epsilon."""
        self.steps += 1
        if self.config.optimizer == "adamw":
            self.models.drift += rate * float(np.finfo(dtype).eps) / self.config.epsilon


@dataclass
class States:
    """The state of each backend's trainer. Backends are only given copies."""

    each: dict[str, TrainState]
    config: TrainConfig

    def of(self, backend: str) -> TrainState:
        """The state of a backend, or of the first if this one does not train."""
        return self.each.get(backend, next(iter(self.each.values())))


@dataclass
class Tally:
    """Counts of examples and calls."""

    batches: int = 0
    examples: int = 0
    calls: int = 0


class Caller(RuleBasedStateMachine):
    """Calls all backends alike, and checks that a call has no side effects."""

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
        """The answer of each backend that claims the method, to its own copy of the arguments. A
        warning is a failure, and so is an exception, unless it is allowed: then its name is the
        answer."""
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
        """Agree within the limit of a check of the suite, plus the drift of the steps so far."""
        dtype = self.setting.dtype
        numbers = any(isinstance(answer, float) for answer in answers.values())
        limit = limit_of(check, dtype) + MARGIN * models.drift
        check_alike(check, answers, limit, "float64" if numbers else dtype, floor)

    def teardown(self) -> None:
        self.watch.restore()
        self.tally.examples += bool(self.watch.kept)  # hypothesis also starts empty examples
