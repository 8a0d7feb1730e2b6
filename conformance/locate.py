"""Where a disagreement begins, and the command that reproduces it."""

import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from conformance.cases import Case, batch_of
from conformance.compare import Disagreement
from conformance.judge import Judge
from conformance.ledger import Ledger
from conformance.panel import Panel

Shape = tuple[int | None, int | None]
"""Rows B and tokens T of a batch."""

STAGES = {"taps": "trace", "logits": None, "loss": None, "gradients": "grads"}
"""The stages of a result, in order, and the capability that shows each of them."""

TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
PATHS = {c: (list(STAGES)[:n], suspect) for n, suspect, checks in TABLE["paths"] for c in checks}
"""For checks that depend on other results: these stages, and the suspect if they agree."""


class Locator:
    """Finds the first stage at which the models of a case diverge. Evaluates each stage once."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self._departure = cache(self._compare)

    def begins(
        self, check: str, case: Case, dtype: str, shape: Shape = (None, None)
    ) -> tuple[str, str] | None:
        """The tap or tensor where it begins (empty if not before the check), and a sentence.
        `shape` gives B and T of the batch to compare; None takes the value of the case."""
        stages, rest = PATHS.get(check, ([], ""))
        looked = []
        for stage in stages:
            if len(self._showing(stage, case, dtype)) < 2:
                continue
            if found := self._departure(stage, case, dtype, shape):
                return found.at or stage, str(found)
            looked.append("all taps" if stage == "taps" else stage)
        if not looked:
            return None
        *most, last = looked
        agree = f"{', '.join(most)} and {last}" if most else last
        return "", f"{agree} agree: the fault lies after them, in {rest}"

    def _showing(self, stage: str, case: Case, dtype: str) -> list[str]:
        """The backends that can show this stage."""
        capability = STAGES[stage]
        lacking = self.panel.lacking([capability] if capability else [], dtype, case)
        return [name for name in self.panel.backends if name not in lacking]

    def _compare(self, stage: str, case: Case, dtype: str, shape: Shape) -> Disagreement | None:
        """The disagreement of the models at a stage, if there is one."""
        judge = Judge(Ledger(), case.name, dtype, condition=case.condition)
        showing = self._showing(stage, case, dtype)
        models = {name: self.panel.model(name, case, dtype) for name in showing}
        B, T = shape
        sized = replace(case, batch_size=B or case.batch_size, length=T or case.length)
        tokens, targets = batch_of(sized)
        try:
            if stage == "taps":
                judge.taps_agree(models, tokens)
            elif stage == "gradients":
                judge.gradients_agree(models, {}, tokens, targets)
            elif stage == "loss":
                judge.answers_agree("loss", models, {}, lambda model: model.loss(tokens, targets))
            else:
                judge.answers_agree("logits", models, {}, lambda model: model.logits(tokens))
        except Disagreement as found:
            return found
        return None


def repeat_command(test: str, named: Sequence[str], seed: int) -> str:
    """The shell command to run one test again."""
    options = [word for name in named for word in ("--backend", name)]
    if seed:
        options += ["--seed", str(seed)]
    return " ".join(["nox -s conformance --", f'"{test}"', *map(shlex.quote, options)])
