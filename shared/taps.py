"""Taps: named places in the forward pass where a value can be looked at.

`tap("q", q)` gives back q, so a tap can stand anywhere in an expression and changes nothing. When a
trace is wanted, it also records q under its full name, such as "h.0.attn.q". The names are the same
in every backend; that is what lets a disagreement name the line where it begins.
"""

from typing import Any, TypeVar

from shared.config import GPTConfig

Array = TypeVar("Array")


class Tap:
    """Records values under a prefix, or, without a record, does nothing and is false."""

    def __init__(self, record: dict[str, Any] | None = None, prefix: str = "") -> None:
        self.record = record
        self.prefix = prefix

    def __call__(self, name: str, value: Array) -> Array:
        """Record `value` as PREFIX + `name` if a trace is wanted, and return it unchanged."""
        if self.record is not None:
            self.record[self.prefix + name] = value
        return value

    def inside(self, name: str) -> "Tap":
        """The tap to hand to the submodule `name`."""
        return Tap(self.record, f"{self.prefix}{name}.") if self else self

    def __bool__(self) -> bool:
        return self.record is not None


NO_TAP = Tap()


def tap_names(config: GPTConfig) -> list[str]:
    """All taps of a model, in the order of the data flow."""
    attention = ["q", "k", "v", "scores", "weights", "y"]
    attn = [*(f"attn.{name}" for name in attention), "attn"]
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
"""The functions of impls/NAME/attention_steps.py, and the values that each of them names.

q, k, v and y of self_attention are [B, T, D], its scores (scaled, before the mask) and weights
[B, T, T]; the others' y is [B, T, C], their scores and weights [T, T].
"""


def step_names() -> list[str]:
    """All values that `attention_steps` of a backend gives: "average_by_loop.y" and so on."""
    return [f"{step}.{name}" for step, names in STEPS.items() for name in names]
