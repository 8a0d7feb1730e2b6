"""Where a disagreement begins, and the command that reproduces it."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from conformance.cases import Case, batch_of
from conformance.compare import Disagreement
from conformance.judge import Judge
from conformance.ledger import Ledger
from conformance.panel import Panel

Shape = tuple[int | None, int | None]
"""Rows B and tokens T of a batch."""

STAGES = {"taps": "trace", "logits": None, "loss": None, "gradients": "grads"}
"""The stages of a result, in order, and the capability that shows each of them."""

PATHS: dict[str, tuple[tuple[str, ...], str]] = {
    "softmax rows sum to 1": (("taps",), "the softmax"),
    "weights on the future": (("taps",), "the mask"),
    "logits": (("taps",), "the fast path, which a trace does not take"),
    "future has no influence": (("taps", "logits"), "how the future is kept out"),
    "rows alone": (tuple(STAGES), "how rows of a batch are kept apart"),
    "cached decoding": (("taps", "logits"), "decoding"),
    "decoded logits": (("taps", "logits"), "the cache or the position of the window"),
    "same text": (("taps", "logits"), "decoding"),
    "loss": (("taps", "logits"), "the loss"),
    "gradients": (("taps", "logits", "loss"), "the backward pass"),
    "no gradient from the past": (("taps", "logits", "loss"), "the backward pass"),
    "finite differences": (("taps", "logits", "loss", "gradients"), "loss and gradient together"),
    **{
        check: (tuple(STAGES), "the optimizer")
        for check in [
            *("AdamW, 1 step", "AdamW, 20 steps", "SGD, 1 step", "SGD, 20 steps"),
            *("relay", "200 steps: losses", "200 steps: weights"),
        ]
    },
    **{
        check: (tuple(STAGES), "state kept or shared between calls")
        for check in ("trained model", "resume", "interleaved", "repeated", "results kept")
    },
}
"""For checks that depend on other results: these, and the remaining suspects if they agree."""


class Locator:
    """Finds the first stage at which the models of a case diverge. Evaluates each stage once."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self._seen: dict[tuple[str, str, str, Shape], Disagreement | None] = {}

    def begins(
        self, check: str, case: Case, dtype: str, shape: Shape = (None, None)
    ) -> tuple[str, str] | None:
        """The tap or tensor where it begins (empty if nowhere before the check), and a sentence.

        `shape` gives B and T of the batch to compare; None takes the value of the case.
        """
        stages, rest = PATHS.get(check, ((), ""))
        looked = []
        for stage in stages:
            if len(self._showing(stage)) < 2:
                continue
            if found := self._departure(stage, case, dtype, shape):
                return found.at or stage, str(found)
            looked.append("all taps" if stage == "taps" else stage)
        if not looked:
            return None
        *most, last = looked
        agree = f"{', '.join(most)} and {last}" if most else last
        return "", f"{agree} agree: the fault lies after them, in {rest}"

    def _showing(self, stage: str) -> list[str]:
        """The backends that can show this stage."""
        capability = STAGES[stage]
        lacking = self.panel.lacking([capability] if capability else [])
        return [name for name in self.panel.backends if name not in lacking]

    def _departure(self, stage: str, case: Case, dtype: str, shape: Shape) -> Disagreement | None:
        key = (stage, case.name, dtype, shape)
        if key not in self._seen:
            self._seen[key] = None
            try:
                self._look(stage, case, dtype, shape)
            except Disagreement as found:
                self._seen[key] = found
        return self._seen[key]

    def _look(self, stage: str, case: Case, dtype: str, shape: Shape) -> None:
        judge = Judge(Ledger(), case.name, dtype, condition=case.condition)
        models = {name: self.panel.model(name, case, dtype) for name in self._showing(stage)}
        B, T = shape
        tokens, targets = batch_of(
            replace(case, batch_size=B or case.batch_size, length=T or case.length)
        )
        if stage == "taps":
            judge.taps_agree(models, tokens)
        elif stage == "gradients":
            grads = {name: m.loss_and_grads(tokens, targets)[1] for name, m in models.items()}
            judge.tensors_agree("gradients", grads, models)
        elif stage == "loss":
            judge.agree("loss", {name: m.loss(tokens, targets) for name, m in models.items()})
        else:
            judge.agree("logits", {name: model.logits(tokens) for name, model in models.items()})


def repeat_command(test: str, named: Sequence[str], seed: int) -> str:
    """The shell command to run one test again."""
    options = [word for name in named for word in ("--backend", name)]
    if seed:
        options += ["--seed", str(seed)]
    return " ".join(["nox -s conformance --", f'"{test}"', *map(shlex.quote, options)])
