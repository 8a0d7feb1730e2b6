"""Every preset: all backends agree on its architecture and on its optimizer.

The cases of conformance/cases.py contain every option somewhere; a preset is one combination of
options, and its optimizer has its own constants. Both are compared on a small model. Presets that
share an optimizer share its check, because JAX's compiling takes most of the time.
"""

from dataclasses import replace

import pytest

from conformance.cases import PRESETS, Case
from conformance.judge import Judge
from conformance.subject import Backends, Models
from conformance.training.test_optimizers import a_step_agrees
from conformance.training.test_training import CONFIG
from shared.config import TrainConfig, load_preset

CONSTANTS = ("optimizer", "beta1", "beta2", "epsilon", "weight_decay", "grad_clip")
"""The settings of an optimizer, except the learning rate."""


def constants(config: TrainConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in CONSTANTS}


def of_case(name: str) -> dict[str, object]:
    return constants(load_preset(name.removeprefix("preset ")).train)


def one_for_each_optimizer() -> list[str]:
    """A case for each set of constants, except that of test_training.py, judged there already."""
    first = {tuple(of_case(case.name).values()): case.name for case in reversed(PRESETS)}
    first.pop(tuple(constants(CONFIG).values()), None)
    return list(first.values())


@pytest.mark.cases(*(case.name for case in PRESETS))
@pytest.mark.fills("logits")
def test_logits_of_presets(models: Models, batch: tuple, judge: Judge) -> None:
    judge.answers_agree("logits", models, {}, lambda model: model.logits(batch[0]))


@pytest.mark.cases(*(case.name for case in PRESETS))
@pytest.mark.needs("grads")
@pytest.mark.fills("loss", "gradients")
def test_gradients_of_presets(models: Models, batch: tuple, judge: Judge) -> None:
    """Loss and gradients, from one call."""
    judge.gradients_agree(models, {}, *batch)


@pytest.mark.cases(*one_for_each_optimizer())
@pytest.mark.needs("trainer")
def test_a_step_of_presets(backends: Backends, case: Case, judge: Judge) -> None:
    """One step on one block: its loss and gradient norm, and the weights and moments after it.

    The learning rate is small because AdamW divides noise by noise plus ε where a gradient is truly
    zero, as that of the key bias is: with one preset's ε of 1e-9, steps of 1e-2 differ by 3e-10."""
    rate = {"learning_rate": 1e-4, "schedule": "constant", "warmup_steps": 0}
    one_block = replace(case, config=replace(case.config, n_layer=1))
    a_step_agrees(backends, one_block, TrainConfig(**of_case(case.name), **rate), judge)
