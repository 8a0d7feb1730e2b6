"""The values that the rungs check: all results of a solution, computed on first use."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

from conformance.cases import Case, random_batch, random_weights
from conformance.judge import backward_order
from shared.config import SampleConfig, TrainConfig
from shared.protocol import StepResult, TrainState, load_backend
from shared.taps import collect, tap_names

Trained = tuple[StepResult, TrainState]


class Unlike(Exception):
    """A value is not what was expected; the arguments are pairs of a word and an explanation."""


class Copies(dict[str, Any]):
    """Stores copies, so that later in-place edits do not alter the record."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value.copy() if isinstance(value, np.ndarray) else value)


@dataclass(frozen=True)
class Partial:
    """Named values in the order in which they were computed, up to a failure."""

    values: dict[str, Any]
    order: Sequence[str]
    error: BaseException | None
    """The exception that ended it."""

    def __getitem__(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        later = self.order[self.order.index(name) :]
        if self.error is None or any(other in self.values for other in later):
            lost = "is its tap or its module's call gone, or an add_grad in a backward missing?"
            raise Unlike(("found", f"nothing for {name}: {lost}"))
        raise self.error


class Subject:
    """The NumPy backend or a solution of the exercise, which has the same parts."""

    def __init__(self, name: str) -> None:
        """Imports it. Raises `BackendError` if there is no such backend, or whatever it raises."""
        backend: Any = load_backend(name)
        package = backend.__package__
        self.build = backend.build
        self.recording = import_module(f"{package}.runtime.trace").recording
        self.softmax = import_module(f"{package}.nn").softmax
        self.empty_cache = import_module(f"{package}.cache").empty_cache
        self.trace = cache(self._trace)
        self.grads = cache(self._grads)
        self.training = cache(self._training)

    def model(self, case: Case) -> Any:
        return self.build(case.config, random_weights(case), dtype="float64")

    def _trace(self, case: Case) -> Partial:
        def compute(record: dict[str, Any]) -> None:
            model = self.model(case)
            tokens, _ = random_batch(case.config)
            with self.recording(model.gpt, record):
                record["probs"] = self.softmax(model.gpt(tokens))

        raw = run(compute, tap_names(case.config))
        return replace(raw, values=collect(case.config, raw.values))

    def _grads(self, case: Case) -> Partial:
        def compute(record: dict[str, Any]) -> None:
            model = self.model(case)
            try:
                model.loss_and_grads(*random_batch(case.config))
            finally:
                grads = {name: parameter.grad for name, parameter in model.parameters.items()}
                record.update({name: grad for name, grad in grads.items() if grad is not None})

        return run(compute, backward_order(case.config))

    def loss(self, case: Case) -> float:
        return self.model(case).loss(*random_batch(case.config))

    def _training(self, case: Case, config: TrainConfig, steps: int) -> Trained:
        """The last result and the state after some steps, a batch each."""
        trainer = self.model(case).trainer(config)
        for step in range(steps):
            result = trainer.step(*random_batch(case.config, seed=step))
        return result, trainer.state()

    def text(self, case: Case, config: SampleConfig, length: int) -> np.ndarray:
        """The text after a prompt of some length."""
        prompt = np.concatenate(random_batch(case.config, seed=7)[0])[:length]
        tokens = self.model(case).generate(prompt, config)
        return np.array(list(islice(tokens, config.max_new_tokens)))

    def logits_in_two(self, case: Case, cut: int) -> Any:
        """Logits of the second part of a text, with the first part in the cache."""
        model, (tokens, _) = self.model(case), random_batch(case.config)
        cache = self.empty_cache(case.config, np.dtype("float64"))
        model.gpt(tokens[:1, :cut], cache)
        return model.gpt(tokens[:1, cut:], cache)

    def positions(self, case: Case, config: SampleConfig, length: int) -> np.ndarray:
        """How many positions were computed for a text."""
        model, counts = self.model(case), []
        forward = model.gpt.forward

        def counting(tokens: np.ndarray, *rest: Any, **options: Any) -> Any:
            counts.append(tokens.shape[1])
            return forward(tokens, *rest, **options)

        model.gpt.forward = counting  # found before the method of the class
        list(model.generate(random_batch(case.config, seed=7)[0][0, :length], config))
        return np.array(sum(counts))


def run(compute: Callable[[dict[str, Any]], None], order: Sequence[str]) -> Partial:
    """Run `compute` and keep its record, even if it fails."""
    record = Copies()
    try:
        compute(record)
    except (Exception, SystemExit) as error:  # a learner's code may raise anything
        return Partial(record, order, error)
    return Partial(record, order, None)
