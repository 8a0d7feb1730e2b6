"""Makes the same calls in all backends, and checks the properties of every call."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from time import monotonic
from typing import Any

import numpy as np
from hypothesis.database import InMemoryExampleDatabase
from hypothesis.stateful import RuleBasedStateMachine

from conformance.compare import Disagreement, compare
from conformance.fuzz.drawn import Setting
from conformance.judge import differences
from conformance.limits import MARGIN, limit_of
from conformance.panel import Panel
from shared.config import TrainConfig
from shared.protocol import CAPABILITIES, Model, Trainer, TrainState


@dataclass
class Models:
    """The same model in every backend."""

    each: dict[str, Model]
    drift: float = 0.0
    """How far rounding may have driven the weights apart so far. If a gradient is truly zero,
    backends compute different noise. AdamW divides it by its size plus epsilon, which moves a
    weight by up to rate · rounding / epsilon."""


@dataclass
class Trainers:
    """A trainer of the same model in every backend."""

    models: Models
    each: dict[str, Trainer]
    config: TrainConfig
    steps: int = 0


@dataclass
class States:
    """The state of each backend's trainer. Backends only receive copies."""

    each: dict[str, TrainState]
    config: TrainConfig

    def of(self, backend: str) -> TrainState:
        """The state of a backend, or of the first if this one does not train."""
        return self.each.get(backend, next(iter(self.each.values())))


class TimeIsOver(KeyboardInterrupt):
    """Ends hypothesis. Any other exception would count as a failing example."""


@dataclass
class Run:
    """What all examples share, and how many have run."""

    panel: Panel
    end: float
    """In the time of `monotonic`; shortening a failing example may take longer."""
    failing: InMemoryExampleDatabase = field(default_factory=InMemoryExampleDatabase)
    batches: int = 0
    examples: int = 0
    calls: int = 0

    def check_time(self) -> None:
        if monotonic() > self.end and not self.failing.data:
            raise TimeIsOver


def flat(value: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """The arrays in an answer by dotted names; floats become arrays."""
    if isinstance(value, np.ndarray):
        yield name, value
    elif isinstance(value, float):
        yield name, np.array([value])
    elif isinstance(value, tuple):
        yield from flat(dict(enumerate(value)), name)
    elif is_dataclass(value):
        yield from flat(vars(value), name)
    elif isinstance(value, Mapping):
        for key in value:
            yield from flat(value[key], f"{name}.{key}".removeprefix("."))


def size(array: np.ndarray) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def check_same(what: str, found: Any, expected: Any) -> None:
    """Raises `Disagreement` unless both hold the same arrays, bit for bit."""
    for path, error in differences(expected, found):
        if error:
            raise Disagreement(f"{what}: {path} is not what was handed over")


class Kept:
    """Arrays passed in or returned, which no call may change, and a copy of their contents."""

    def __init__(self, what: str, value: Any) -> None:
        self.what, self.arrays = what, dict(flat(value))
        self.contents = {key: array.tobytes() for key, array in self.arrays.items()}

    def __repr__(self) -> str:
        return f"<{self.what}>"

    def overwrite(self, first: int) -> None:
        """Overwrite every second array: if two share memory, one of the others changes as well."""
        for key in list(self.arrays)[first::2]:
            array = self.arrays[key]
            if array.flags.writeable:
                array[...] = np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max
                self.contents[key] = array.tobytes()

    def check(self) -> None:
        """Raises `Disagreement` for the first array that has changed."""
        for key, array in self.arrays.items():
            if array.tobytes() != self.contents[key]:
                raise Disagreement(f"{self.what}: {key or 'it'} has changed since")


class Caller(RuleBasedStateMachine):
    """Makes the same calls in all backends, and checks that they have no side effects."""

    def __init__(self, run: Run, setting: Setting) -> None:
        super().__init__()
        self.run, self.panel, self.setting = run, run.panel, setting
        self.kept: list[Kept] = []
        self.asked = 0

    def ask(
        self,
        method: str,
        each: Mapping[str, Any],
        given: Callable[[], tuple] = tuple,
        allowed: tuple[type[Exception], ...] = (),
        **options: Any,
    ) -> dict[str, Any]:
        """Call each backend that claims the method, with its own copy of the arguments; returns the
        answers. A warning is a failure, and so is an exception, unless it is allowed: then its name
        is the answer."""
        self.run.check_time()
        self.run.calls += 1
        self.asked += 1
        what = f"call {self.asked}, {method}"
        lacking = self.panel.lacking([key for key in CAPABILITIES if CAPABILITIES[key] == method])
        answers = {}
        for name in [name for name in each if name not in lacking]:
            arguments = given()
            self.keep(f"{what}, given to {name}", arguments)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    answers[name] = getattr(each[name], method)(*arguments, **options)
            except allowed as error:
                answers[name] = type(error).__name__
            except Exception as error:
                message = f"{name}: {method} raised {type(error).__name__}: {error}"
                raise Disagreement(message, culprits=(name,)) from error
            self.keep(f"{what}, from {name}", answers[name])
        self.check_kept()
        return answers

    def keep(self, what: str, value: Any) -> None:
        """Remember the arrays of a value, which no later call may change."""
        if (kept := Kept(what, value)).arrays:
            self.kept.append(kept)

    def check_kept(self) -> None:
        for kept in self.kept:
            kept.check()

    def agree(
        self, check: str, answers: Mapping[str, Any], models: Models, floor: float = 1.0
    ) -> None:
        """Check that the answers agree within the limit of a check of the suite, plus the drift of
        the steps so far. Errors are relative to the largest entry of the whole answer, or to
        `floor` if that is larger: in a small random model, all entries may be near zero by chance,
        while rounding is not. Raises `Disagreement`."""
        if len(answers) < 2:  # the others do not claim it
            return
        dtype = self.setting.dtype
        limit = limit_of(check, dtype) + MARGIN * models.drift
        if any(isinstance(answer, float) for answer in answers.values()):
            dtype = "float64"
        flats = {name: dict(flat(answer)) for name, answer in answers.items()}
        if len({frozenset(arrays) for arrays in flats.values()}) > 1:
            listed = {name: sorted(arrays) for name, arrays in flats.items()}
            raise Disagreement(f"{check}: not all gave the same: {listed}")
        keys = next(iter(flats.values()))
        sizes = {key: max(size(arrays[key]) for arrays in flats.values()) for key in keys}
        scale = max([floor, *sizes.values()])
        for key, own in sizes.items():
            values = {name: arrays[key] for name, arrays in flats.items()}
            try:
                compare(values, limit * scale / own if own else limit, dtype)
            except Disagreement as found:
                raise Disagreement(f"{check} {key}".rstrip() + f": {found}") from None

    def teardown(self) -> None:
        self.run.examples += bool(self.kept)  # hypothesis also starts empty examples
