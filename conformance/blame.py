"""Where a disagreement begins, and the command that shows it again."""

import shlex
from collections.abc import Sequence

from conformance.cases import Case, random_batch
from conformance.compare import Disagreement
from conformance.judge import Judge
from conformance.ledger import Ledger
from conformance.panel import Panel

STAGES = {"taps": "trace", "logits": None, "loss": None, "gradients": "grads"}
"""What a result passes through, in this order, and the capability that shows it."""

PATHS: dict[str, tuple[tuple[str, ...], str]] = {
    "softmax rows sum to 1": (("taps",), "the softmax"),
    "weights on the future": (("taps",), "the mask"),
    "logits": (("taps",), "the fast path, which a trace does not take"),
    "future has no influence": (("taps", "logits"), "how the future is kept out"),
    "cached decoding": (("taps", "logits"), "decoding"),
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
}
"""For every check that rests on other results: on which ones, and what is left if they agree."""


class Locator:
    """Finds the first stage at which the models of a case depart. Looks once per stage."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self._seen: dict[tuple[str, str, str], Disagreement | None] = {}

    def begins(self, check: str, case: Case, dtype: str) -> tuple[str, str] | None:
        """The tap or tensor where it begins (empty if nowhere before the check), and a sentence."""
        stages, rest = PATHS.get(check, ((), ""))
        looked = []
        for stage in stages:
            if len(self._showing(stage)) < 2:
                continue
            if found := self._departure(stage, case, dtype):
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

    def _departure(self, stage: str, case: Case, dtype: str) -> Disagreement | None:
        key = (stage, case.name, dtype)
        if key not in self._seen:
            self._seen[key] = None
            try:
                self._look(stage, case, dtype)
            except Disagreement as found:
                self._seen[key] = found
        return self._seen[key]

    def _look(self, stage: str, case: Case, dtype: str) -> None:
        judge = Judge(Ledger(), case.name, dtype)  # with a ledger that nobody reads
        models = {name: self.panel.model(name, case, dtype) for name in self._showing(stage)}
        tokens, targets = random_batch(case.config)
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
    """What to paste into a shell to run one test again."""
    options = [word for name in named for word in ("--backend", name)]
    if seed:
        options += ["--seed", str(seed)]
    return " ".join(["nox -s conformance --", f'"{test}"', *map(shlex.quote, options)])
