"""The values that the rungs check: all results of a backend, computed on first use."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from conformance.cases import Case, random_batch, random_weights
from conformance.judge import backward_order
from shared.config import SampleConfig, TrainConfig
from shared.protocol import Backend, Model, StepResult, TrainState
from shared.taps import STEPS, collect, recorded_as, tap_names


class Missing(Exception):
    """A call finished without its expected result."""


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
    missing: str
    """The message for a value that was skipped."""

    def __getitem__(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        later = self.order[self.order.index(name) :]
        if self.error is None or any(other in self.values for other in later):
            last = recorded_as(name).rpartition(".")[2]
            tapped = last in ("embed", *STEPS["self_attention"])
            part = f'tap("{last}", …)' if tapped else f"the call of {last}"
            raise Missing(self.missing.format(name=name, part=part))
        raise self.error


class Subject:
    """The backend under test."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.trace = cache(self._trace)
        self.grads = cache(self._grads)
        self.training = cache(self._training)

    def model(self, case: Case) -> Model:
        return self.backend.build(case.config, random_weights(case), dtype="float64")

    def offers(self, case: Case, method: str) -> bool:
        """Whether the model has a method that is not in the protocol."""
        return callable(getattr(self.model(case), method, None))

    def _trace(self, case: Case) -> Partial:
        def compute(record: dict[str, Any]) -> None:
            model = self.model(case)
            tokens, _ = random_batch(case.config)
            if hasattr(model, "trace_into"):
                model.trace_into(tokens, record)
            else:
                record.update({recorded_as(tap): v for tap, v in model.trace(tokens).items()})

        missing = "nothing was recorded for it: is {part} still there?"
        raw = run(compute, tap_names(case.config), missing)
        return replace(raw, values=collect(case.config, raw.values))

    def _grads(self, case: Case) -> Partial:
        def compute(record: dict[str, Any]) -> None:
            model = self.model(case)
            batch = random_batch(case.config)
            if hasattr(model, "grads_into"):
                model.grads_into(*batch, record)
            else:
                record.update(model.loss_and_grads(*batch)[1])

        missing = "{name} has got no gradient: does its backward call add_grad?"
        return run(compute, backward_order(case.config), missing)

    def loss(self, case: Case) -> float:
        return self.model(case).loss(*random_batch(case.config))

    def _training(
        self, case: Case, config: TrainConfig, steps: int
    ) -> tuple[StepResult, TrainState]:
        """The last result and the state after some steps, a batch each."""
        trainer = self.model(case).trainer(config)
        for step in range(steps):
            result = trainer.step(*random_batch(case.config, seed=step))
        return result, trainer.state()

    def text(self, case: Case, config: SampleConfig, length: int) -> np.ndarray:
        """The text after a prompt of some length."""
        prompt = np.concatenate(random_batch(case.config, seed=7)[0])[:length]
        tokens = islice(self.model(case).generate(prompt, config), config.max_new_tokens)
        return whole_numbers(tokens)

    def logits_in_two(self, case: Case, cut: int) -> Any:
        """Logits with the first tokens in the cache; from a model without one, the same without."""
        model, (tokens, _) = self.model(case), random_batch(case.config)
        if hasattr(model, "logits_in_two"):
            return model.logits_in_two(tokens, cut)
        return model.logits(tokens[:1])[:, cut:]

    def positions(self, case: Case, config: SampleConfig, length: int) -> np.ndarray:
        """How many positions were computed for a text, but no fewer than a cache allows."""
        fewest = length + config.max_new_tokens
        model = self.model(case)
        if not hasattr(model, "generate_and_count"):
            return np.array(fewest)
        prompt = random_batch(case.config, seed=7)[0][0, :length]
        _, counts = model.generate_and_count(prompt, config)
        return np.array(max(sum(counts), fewest))


def whole_numbers(tokens: Iterable[Any]) -> np.ndarray:
    """Tokens as an array. Raises `Missing` if one is not a token."""
    kept = []
    for token in tokens:  # check each at once: the model must not get a wrong one
        if isinstance(token, bool) or not isinstance(token, int | np.integer):
            raise Missing(f"a token must be a whole number; found {token!r:.40}")
        kept.append(int(token))
    return np.array(kept, dtype=np.int64)


def run(compute: Callable[[dict[str, Any]], None], order: Sequence[str], missing: str) -> Partial:
    """Run `compute` and keep its record, even if it fails."""
    record = Copies()
    try:
        compute(record)
    except (Exception, SystemExit) as error:  # a learner's code may raise anything
        return Partial(record, order, error, missing)
    return Partial(record, order, None, missing)
