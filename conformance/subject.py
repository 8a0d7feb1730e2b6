"""The subject of a test: one backend, judged alone on one case in one precision; and what it offers
of the optional protocols of shared/protocol.py."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from conformance.cases import Case, batch_of, random_weights
from conformance.judge import Judge
from conformance.judge import Models as Models
from conformance.panel import Panel
from shared.config import TrainConfig, weight_dtype
from shared.protocol import BACKENDS, Backend, Model, Trainer

Backends = dict[str, Backend]


@dataclass(frozen=True)
class Subject:
    """Builds models of one backend, always from the same weights, and judges their results."""

    name: str
    case: Case
    dtype: str
    judge: Judge
    panel: Panel

    @property
    def backend(self) -> Backend:
        return self.panel.backends[self.name]

    @property
    def weight_dtype(self) -> str:
        """The type of the weights: with bfloat16, float32."""
        return weight_dtype(self.dtype)

    @property
    def model(self) -> Model:
        """Read-only, and shared with other tests: tests that train build their own."""
        return self.panel.model(self.name, self.case, self.dtype)

    def build(self, weights: Mapping[str, np.ndarray] | None = None) -> Model:
        given = random_weights(self.case) if weights is None else weights
        return self.backend.build(self.case.config, given, dtype=self.dtype)

    def trainer(self, config: TrainConfig) -> Trainer:
        return self.build().trainer(config)

    def batch(self, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        return batch_of(self.case, seed)

    def holds(self, check: str, error: float, message: str) -> None:
        __tracebackhide__ = True
        self.judge.holds(check, self.name, error, message)

    def same(self, check: str, before: object, after: object, message: str) -> None:
        __tracebackhide__ = True
        self.judge.same(check, self.name, before, after, message)


def offering(backends: Mapping[str, Backend], protocol: type, judge: Judge) -> dict[str, Backend]:
    """The backends that implement `protocol`; the judge records the others as not offering it.
    Built-in backends always count as offering it, so that a missing part is a failure."""
    found = {n: b for n, b in backends.items() if n in BACKENDS or isinstance(b, protocol)}
    judge.not_offered |= set(backends) - set(found)
    return found


def skip_not_offered(check: str, judge: Judge) -> None:
    """Skip a test that has nothing to compare. Its empty row does not count as passed."""
    judge.row(check)
    pytest.skip(f"{', '.join(sorted(judge.not_offered))}: {check} not offered")
