"""Taps: named points in the forward pass where a value can be observed.

Most are outputs of modules, which impls/NAME/runtime/trace.py records in its framework's own way.
The rest, such as the values inside attention, pass through `self.tap("q", q)`, which returns q. The
names are the same in every backend, so a disagreement can be traced to the line where it begins.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from shared.config import GPTConfig

Array = TypeVar("Array")


class Tap:
    """Records values of the module at `path`; without a record, it does nothing and is false."""

    def __init__(self, record: dict[str, Any] | None = None, path: str = "") -> None:
        self.record = record
        self.path = path

    def __call__(self, name: str, value: Array) -> Array:
        """Record `value` as PATH.`name` during a trace, and return it unchanged."""
        if self.record is not None:
            self.record[f"{self.path}.{name}".strip(".")] = value
        return value

    def inside(self, name: str) -> "Tap":
        """The tap of this module's part `name`."""
        return Tap(self.record, f"{self.path}.{name}".strip(".")) if self else self

    def __bool__(self) -> bool:
        return self.record is not None


NO_TAP = Tap()


def collect(config: GPTConfig, record: Mapping[str, Array]) -> dict[str, Array]:
    """Select the taps from everything recorded, by name and in their order."""
    found = {tap: recorded_as(tap) for tap in tap_names(config)}
    return {tap: record[path] for tap, path in found.items() if path in record}


def recorded_as(tap: str) -> str:
    """The dotted name of the module whose output a tap is; "" is the model."""
    if tap == "logits":
        return ""
    return tap.replace(".mlp.fc", ".mlp.c_fc").replace(".mlp.act", ".mlp.activation")


def tap_names(config: GPTConfig) -> list[str]:
    """All taps of a model, in the order of the data flow."""
    attn = [*(f"attn.{name}" for name in STEPS["self_attention"]), "attn"]
    mlp = ["mlp.fc", "mlp.act", "mlp"]
    pre, post = ["ln_1", *attn, "ln_2", *mlp], [*attn, "ln_1", *mlp, "ln_2"]
    block = pre if config.norm == "pre" else post
    names = ["embed"]
    for i in range(config.n_layer):
        names += [f"h.{i}.{name}" for name in block] + [f"h.{i}"]
    return names + (["ln_f"] if config.norm == "pre" else []) + ["logits", "probs"]


STEPS = {
    "average_by_loop": ("y",),
    "average_by_matrix": ("weights", "y"),
    "average_by_softmax": ("scores", "weights", "y"),
    "self_attention": ("q", "k", "v", "scores", "weights", "y"),
}
"""The functions of impls/NAME/road/attention_steps.py, and the values that each of them records.

q, k, v and y of self_attention are [B, T, D], its scores (scaled, before the mask) and weights
[B, T, T]; the others' y is [B, T, C], their scores and weights [T, T].
"""


def step_names() -> list[str]:
    """All values that `attention_steps` of a backend returns: "average_by_loop.y" and so on."""
    return [f"{step}.{name}" for step, names in STEPS.items() for name in names]
