"""The panel: the backends to judge, their capabilities, and their models."""

import importlib
import importlib.util
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress

from conformance import cases
from conformance.cases import CASES, Case, random_weights, rounded
from shared import protocol
from shared.errors import BackendError


def judged(named: Sequence[str]) -> list[str]:
    """The backends to judge: named built-in ones replace the usual three, any others are added."""
    built_in = [name for name in protocol.BACKENDS if name in named] or list(protocol.BACKENDS)
    return [*built_in, *dict.fromkeys(name for name in named if name not in protocol.BACKENDS)]


def available_modes() -> list[str]:
    """Every mode and device that this machine supports. Prints those that it lacks."""
    found = []
    for backend in protocol.BACKENDS:
        module = f"impls.{backend}.modes"
        if importlib.util.find_spec(module) is None:  # NumPy has none
            continue
        for mode in importlib.import_module(module).MODES:
            try:
                found.append(protocol.load_backend(f"{backend}@{mode}").name)
            except BackendError as error:
                print(f"not judged: {error}", file=sys.stderr)
    return found


class Panel:
    """The backends by the requested names."""

    def __init__(self, backends: dict[str, protocol.Backend]) -> None:
        self.backends = backends
        self._claims: dict[str, frozenset[str]] = {}
        self._models: dict[tuple[str, str, str, int, bool], protocol.Model] = {}

    def model(self, name: str, case: Case, dtype: str, *, truthful: bool = False) -> protocol.Model:
        """A read-only model, shared by all tests with the same arguments. If `truthful`, its
        weights are those that a float32 model holds."""
        key = (name, case.name, dtype, cases.base_seed, truthful)
        if key not in self._models:
            weights = random_weights(case)
            build = self.backends[name].build
            given = rounded(weights) if truthful else weights
            self._models[key] = build(case.config, given, dtype=dtype)
        return self._models[key]

    def claims(self, name: str) -> frozenset[str]:
        """The capabilities that a backend claims. Built-in backends claim all of them, and so does
        one that cannot build a model: then the tests fail and say why."""
        if name not in self._claims:
            self._claims[name] = frozenset(protocol.CAPABILITIES)
            if name not in protocol.BACKENDS:
                with suppress(Exception):
                    model = self.model(name, CASES[0], protocol.precisions(self.backends[name])[0])
                    self._claims[name] = protocol.claimed(self.backends[name], model)
        return self._claims[name]

    def more_precisions(self) -> tuple[str, ...]:
        """The precisions that only some backends have."""
        found = [dtype for each in self.backends.values() for dtype in protocol.precisions(each)]
        return tuple(dtype for dtype in dict.fromkeys(found) if dtype not in protocol.PRECISIONS)

    def beyond(
        self, setting: tuple[Case, str] | None = None, backend_name: str = "", **rest: object
    ) -> bool:
        """Whether a test is in a precision that some backends have, but not the tested one."""
        if setting is None or setting[1] not in self.more_precisions():
            return False
        lacking = self.lacking((), setting[1], setting[0])
        return backend_name in lacking or lacking == set(self.backends)

    def lacking(
        self, needs: Collection[str], dtype: str | None = None, case: Case | None = None
    ) -> set[str]:
        """The backends that do not claim all of these capabilities or the precision, or that are
        not judged on the case. Raises `BackendError` if there is no such capability."""
        if unknown := set(needs) - set(protocol.CAPABILITIES):
            raise BackendError(f"there is no capability {', '.join(sorted(unknown))}")
        return {
            name
            for name, backend in self.backends.items()
            if set(needs) - self.claims(name)
            or (dtype and dtype not in protocol.precisions(backend))
            or (case and case.name not in (getattr(backend, "cases", None) or [case.name]))
        }
