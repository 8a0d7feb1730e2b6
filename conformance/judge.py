"""The judge: compares, remembers the largest error of every check, and locates what is wrong."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np

from conformance.compare import Disagreement, Errors, compare
from conformance.ledger import Ledger, Row
from shared.backend import Model
from shared.config import GPTConfig
from shared.taps import tap_names
from shared.weights import tensor_shapes

Witness, Answer = TypeVar("Witness"), TypeVar("Answer")


class Judge:
    """Judges the backends on one case in one precision."""

    def __init__(
        self, ledger: Ledger, case: str, dtype: str, not_offered: Iterable[str] = ()
    ) -> None:
        self.ledger, self.case, self.dtype = ledger, case, dtype
        self.not_offered = frozenset(not_offered)
        """Backends that take no part, for they do not claim to be able to."""
        self.touched: dict[str, Row] = {}
        """The rows that this judge has written to, by check."""
        self.asked: str | None = None
        """The backend whose answer is awaited: the one to blame should it raise."""

    def row(self, check: str) -> Row:
        row = self.touched[check] = self.ledger.row(check, self.dtype)
        row.not_offered |= self.not_offered
        return row

    def each(
        self, witnesses: Mapping[str, Witness], ask: Callable[[Witness], Answer]
    ) -> dict[str, Answer]:
        """What every backend, or model, answers. One that raises will be blamed for it."""
        answers = {}
        for self.asked, witness in witnesses.items():
            answers[self.asked] = ask(witness)
        self.asked = None
        return answers

    def agree(self, check: str, values: Mapping[str, np.ndarray | float], what: str = "") -> Errors:
        """All backends gave the same, within the limit of `check`; a float stands for one number.

        Raises:
            Disagreement: with the check, the case, and what `compare` has to say.
        """
        __tracebackhide__ = True
        row = self.row(check)
        numbers = any(isinstance(value, float) for value in values.values())
        arrays = {
            name: np.array([value]) if isinstance(value, float) else value
            for name, value in values.items()
        }
        try:
            errors = compare(arrays, row.limit, "float64" if numbers else self.dtype)
        except Disagreement as found:
            row.fail(found.culprits or tuple(values))
            for name in values:
                if found.errors is not None:
                    row.add(self.case, name, found.errors.of(name, row.limit))
                elif name in (found.culprits or values):
                    row.add(self.case, name, np.inf)
            message = f"{what or check} [{self.case}, {self.dtype}]: {found}"
            raise self._named(check, message, found) from None
        for name in errors.names:
            row.add(self.case, name, errors.of(name, row.limit))
        return errors

    def holds(self, check: str, backend: str, error: float, message: str) -> None:
        """A property of one backend alone: `error` is within the limit of `check`."""
        __tracebackhide__ = True
        row = self.row(check)
        row.add(self.case, backend, error)
        if not error <= row.limit:
            row.fail((backend,))
            size = f"{error:.1e}; limit {row.limit:.0e}"
            text = f"{check} [{self.case}, {self.dtype}]: {backend} fails\n  {message}: {size}"
            raise self._named(check, text, Disagreement("", culprits=(backend,)))

    def taps_agree(self, models: Mapping[str, Model], tokens: np.ndarray) -> None:
        """Every tap agrees, looked at in the order of the data flow: the first that does not is
        where the difference begins."""
        __tracebackhide__ = True
        traces = self.each(models, lambda model: model.trace(tokens))
        expected = tap_names(config_of(models))
        for name, trace in traces.items():
            self._complete("taps", name, trace, expected)
        for before, tap in zip([None, *expected], expected, strict=False):
            right = f"all before it agree, up to {before}" if before else "it is the first of all"
            values = {name: trace[tap] for name, trace in traces.items()}
            self._agree_at(tap, "taps", values, f"the difference begins at tap {tap}", right)

    def tensors_agree(
        self,
        check: str,
        values: Mapping[str, Mapping[str, np.ndarray]],
        models: Mapping[str, Model],
        what: str = "",
    ) -> None:
        """Every tensor of the manifest agrees, looked at from the loss backwards: the first that
        does not is where a wrong backward begins."""
        __tracebackhide__ = True
        config = config_of(models)
        shapes = tensor_shapes(config)
        for name, tensors in values.items():
            self._complete(check, name, tensors, list(shapes))
            for key, tensor in tensors.items():
                if tensor.shape != shapes[key]:
                    problem = f"{key} has shape {tensor.shape}, not {shapes[key]}"
                    raise self._refuse(check, name, problem)
        backwards = backward_order(config)
        for before, key in zip([None, *backwards], backwards, strict=False):
            right = "on the way back " + (f"all agree up to {before}" if before else "the first")
            found = {name: tensors[key] for name, tensors in values.items()}
            self._agree_at(key, check, found, f"{what or check} of {key}", right)

    def _agree_at(
        self, at: str, check: str, values: Mapping[str, np.ndarray], what: str, right: str
    ) -> None:
        """The values agree; if not, the message also says what is still right."""
        __tracebackhide__ = True
        try:
            self.agree(check, values, what)
        except Disagreement as found:
            first, _, rest = str(found).partition("\n")
            found.args = (f"{first}\n  {right}\n{rest}",)
            found.at = at
            raise

    def _complete(
        self, check: str, backend: str, found: Mapping[str, object], expected: list[str]
    ) -> None:
        """The backend gave what was expected, nothing more and nothing less."""
        __tracebackhide__ = True
        if odd := sorted(set(found) ^ set(expected)):
            raise self._refuse(check, backend, f"lacks or invents {', '.join(odd)}")

    def _refuse(self, check: str, backend: str, problem: str) -> Disagreement:
        row = self.row(check)
        row.add(self.case, backend, np.inf)
        row.fail((backend,))
        message = f"{check} [{self.case}, {self.dtype}]: {backend} {problem}"
        return self._named(check, message, Disagreement("", culprits=(backend,)))

    def _named(self, check: str, message: str, found: Disagreement) -> Disagreement:
        """The disagreement under its full name."""
        named = Disagreement(message, found.errors, found.culprits)
        named.check = check
        return named


def config_of(models: Mapping[str, Model]) -> GPTConfig:
    """The configuration that the models share."""
    if not models:
        raise Disagreement("there is nothing to compare: no backend")
    return next(iter(models.values())).config


def backward_order(config: GPTConfig) -> list[str]:
    """The tensors in the order in which the backward pass reaches them.

    A tied embedding comes last: its gradient is complete only when the pass has come to its end.
    """
    parts = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
    if config.norm == "post":
        parts = ("attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2")
    blocks = [f"h.{i}.{part}" for i in range(config.n_layer) for part in parts]
    layers = [f"transformer.{layer}" for layer in ("wte", "wpe", *blocks, "ln_f")]
    forward = [f"{layer}.{kind}" for layer in (*layers, "lm_head") for kind in ("weight", "bias")]
    shapes = tensor_shapes(config)
    return [key for key in reversed(forward) if key in shapes]
