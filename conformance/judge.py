"""The judge: compares, records the largest error of every check, and locates faults."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import TypeVar

import numpy as np

from conformance.compare import Disagreement, Value, compare, compare_with_truth
from conformance.ledger import Ledger, Row
from conformance.limits import floor_of
from shared.checkpoints.tensors import Tensors
from shared.config import GPTConfig, weight_dtype
from shared.layout import tensor_shapes
from shared.protocol import Model
from shared.taps import tap_names

W = TypeVar("W")
A = TypeVar("A")
Models = Mapping[str, Model]
Values = Mapping[str, Value]
Many = Mapping[str, Tensors]
"""By backend: tensors by name."""


class Judge:
    """Judges the backends on one case in one precision."""

    def __init__(
        self,
        ledger: Ledger,
        case: str,
        dtype: str,
        not_offered: Iterable[str] = (),
        condition: float = 1.0,
    ) -> None:
        self.ledger, self.case, self.dtype = ledger, case, dtype
        self.condition = condition
        """The factor by which the case magnifies rounding. Recorded errors are divided by it."""
        self.not_offered = frozenset(not_offered)
        """Backends left out because they do not claim the capability."""
        self.asked: str | None = None
        """The backend being called, which is to blame if it raises."""

    def row(self, check: str) -> Row:
        row = self.ledger.row(check, self.dtype)
        row.not_offered |= self.not_offered
        return row

    def each(self, witnesses: Mapping[str, W], ask: Callable[[W], A]) -> dict[str, A]:
        """Call every backend or model. One that raises is to blame."""
        answers = {}
        for self.asked, witness in witnesses.items():
            answers[self.asked] = ask(witness)
        self.asked = None
        return answers

    def agree(
        self, check: str, values: Values, what: str = "", truths: Values | None = None
    ) -> None:
        """Check that all backends agree, within the limit of `check`. Values may be floats.

        With `truths`, the results of float64 models, each is compared with those instead. Raises
        `Disagreement` with the check, the case, and the result of the comparison."""
        __tracebackhide__ = True
        row = self.row(check)
        limit = self.condition * row.limit
        numbers = any(isinstance(value, float) for value in values.values())
        dtype = "float64" if numbers else weight_dtype(self.dtype)
        arrays = as_arrays(values)
        try:
            if truths:
                floor = self.condition * floor_of(check, self.dtype)
                found = compare_with_truth(arrays, as_arrays(truths), floor, limit, dtype)
            else:
                found = compare(arrays, limit, dtype)
        except Disagreement as disagreement:
            row.fail(disagreement.culprits or tuple(values))
            for name in values:
                if disagreement.errors is not None:
                    row.add(self.case, name, disagreement.errors[name] / self.condition)
                elif name in (disagreement.culprits or values):
                    row.add(self.case, name, np.inf)
            message = f"{what or check} [{self.case}, {self.dtype}]: {disagreement}"
            found_by = disagreement.errors, disagreement.culprits, check
            raise Disagreement(message, *found_by) from None
        for name, error in found.items():
            row.add(self.case, name, error / self.condition)

    def answers_agree(
        self, check: str, models: Models, truthful: Models, ask: Callable[[Model], Value]
    ) -> None:
        """Check that all models agree; below float64, with their `truthful` twins."""
        __tracebackhide__ = True
        truths = {name: ask(model) for name, model in truthful.items()}
        self.agree(check, self.each(models, ask), truths=truths)

    def gradients_agree(
        self, models: Models, truthful: Models, tokens: np.ndarray, targets: np.ndarray
    ) -> None:
        """The loss that comes with the gradients, and the gradient of every tensor."""
        __tracebackhide__ = True
        both = self.each(models, lambda model: model.loss_and_grads(tokens, targets))
        true = {name: model.loss_and_grads(tokens, targets) for name, model in truthful.items()}
        losses = {name: float(loss) for name, (loss, _) in both.items()}
        true_losses = {name: float(loss) for name, (loss, _) in true.items()}
        self.agree("loss", losses, "loss with gradients", true_losses)
        grads = {name: grads for name, (_, grads) in both.items()}
        true_grads = {name: grads for name, (_, grads) in true.items()}
        self.tensors_agree("gradients", grads, models, truths=true_grads)

    def same(self, check: str, backend: str, before: object, after: object, message: str) -> None:
        """Check one backend alone: every array of a structure is the same, bit for bit. Raises
        `Disagreement`, which names the first array that differs."""
        __tracebackhide__ = True
        for path, error in differences(before, after):
            self.holds(check, backend, error, f"{message}{path and f': {path}'}")

    def holds(self, check: str, backend: str, error: float, message: str) -> None:
        """Check one backend alone: `error` is within the limit of `check`."""
        __tracebackhide__ = True
        row = self.row(check)
        row.add(self.case, backend, error)
        if not error <= row.limit:
            size = f"{error:.1e}; limit {row.limit:.0e}"
            raise self._refuse(check, backend, f"fails\n  {message}: {size}", error)

    def taps_agree(
        self, models: Models, tokens: np.ndarray, truthful: Models | None = None
    ) -> None:
        """Check every tap in the order of the data flow, so that the first to disagree is named."""
        __tracebackhide__ = True
        traces = self.each(models, lambda model: model.trace(tokens))
        truths = {name: model.trace(tokens) for name, model in (truthful or {}).items()}
        expected = tap_names(config_of(models))
        for name, trace in traces.items():
            self._complete("taps", name, trace, expected)
        right = "all before it agree, up to", "it is the first of all"
        what = "the difference begins at tap"
        self._agree_in_order("taps", expected, traces, truths, what, *right)

    def tensors_agree(
        self, check: str, values: Many, models: Models, what: str = "", truths: Many | None = None
    ) -> None:
        """Check every tensor from the loss backwards, so that the first to disagree is named."""
        __tracebackhide__ = True
        config = config_of(models)
        shapes = tensor_shapes(config)
        for name, tensors in values.items():
            self._complete(check, name, tensors, list(shapes))
            for key, tensor in tensors.items():
                if tensor.shape != shapes[key]:
                    problem = f"{key} has shape {tensor.shape}, not {shapes[key]}"
                    raise self._refuse(check, name, problem)
        right = "on the way back all agree up to", "on the way back the first"
        what = f"{what or check} of"
        self._agree_in_order(check, backward_order(config), values, truths or {}, what, *right)

    def _agree_in_order(
        self, check: str, keys: list[str], values: Many, truths: Many, what: str, *right: str
    ) -> None:
        """Check that the values of every key agree. The message about the first that do not also
        says up to which key all is well, if any."""
        __tracebackhide__ = True
        before = ""
        for key in keys:
            own, true = ({name: of[key] for name, of in each.items()} for each in (values, truths))
            try:
                self.agree(check, own, f"{what} {key}", true)
            except Disagreement as found:
                first, _, rest = str(found).partition("\n")
                still = f"{right[0]} {before}" if before else right[1]
                found.args = (f"{first}\n  {still}\n{rest}",)
                found.at = key
                raise
            before = key

    def _complete(self, check: str, backend: str, own: Iterable[str], expected: list[str]) -> None:
        """Check that the backend returned exactly the expected names."""
        __tracebackhide__ = True
        if odd := sorted(set(own) ^ set(expected)):
            raise self._refuse(check, backend, f"lacks or invents {', '.join(odd)}")

    def _refuse(self, check: str, backend: str, why: str, error: float = math.inf) -> Disagreement:
        row = self.row(check)
        row.add(self.case, backend, error)
        row.fail((backend,))
        message = f"{check} [{self.case}, {self.dtype}]: {backend} {why}"
        return Disagreement(message, culprits=(backend,), check=check)


def as_arrays(values: Values) -> dict[str, np.ndarray]:
    """Turn floats into arrays with one number."""
    return {name: np.array([x]) if isinstance(x, float) else x for name, x in values.items()}


def differences(before: object, after: object, path: str = "") -> Iterator[tuple[str, float]]:
    """The paths of all arrays and numbers in two structures (dataclasses, mappings, sequences), and
    their differences: infinite if shapes, types or lengths differ."""
    if is_dataclass(before) and is_dataclass(after):
        before, after = vars(before), vars(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield path, 0.0 if set(before) == set(after) else math.inf
        for key in before:
            yield from differences(before[key], after.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        yield path, 0.0 if len(before) == len(after) else math.inf
        for i, (a, b) in enumerate(zip(before, after, strict=False)):
            yield from differences(a, b, f"{path}[{i}]")
    else:
        a, b = np.asarray(before), np.asarray(after)
        if a.shape != b.shape or a.dtype != b.dtype or a.dtype.hasobject:
            yield path, 0.0 if before is after else math.inf
        elif not np.array_equal(a, b):
            numbers = np.issubdtype(a.dtype, np.number)
            far = np.abs(a.astype(np.float64) - b.astype(np.float64)).max() if numbers else 0.0
            yield path, float(far) or math.inf
        else:
            yield path, 0.0


def config_of(models: Models) -> GPTConfig:
    if not models:
        raise Disagreement("there is nothing to compare: no backend")
    return next(iter(models.values())).config


def backward_order(config: GPTConfig) -> list[str]:
    """The tensors in the order in which the backward pass reaches them. A tied embedding comes
    last: its gradient is complete only at the end of the pass."""
    parts = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
    if config.norm == "post":
        parts = ("attn.c_attn", "attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2")
    blocks = [f"h.{i}.{part}" for i in range(config.n_layer) for part in parts]
    layers = [f"transformer.{layer}" for layer in ("wte", "wpe", *blocks, "ln_f")]
    forward = [f"{layer}.{kind}" for layer in (*layers, "lm_head") for kind in ("weight", "bias")]
    shapes = tensor_shapes(config)
    return [key for key in reversed(forward) if key in shapes]
