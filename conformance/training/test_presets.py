"""Every preset: its architecture and its optimizer are the same in all backends.

The cases of conformance/cases.py contain every option somewhere; a preset is one combination of
options, and its optimizer has its own constants. Both are compared on a small model. Most of the
time is JAX compiling: so the sizes are those of the cases, which are compiled already, and presets
that share an optimizer are one check.
"""

from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import BASE, Case, random_batch, random_weights
from conformance.judge import Judge
from conformance.recorder import Recorder
from conformance.training.test_optimizers import results_agree, states_agree
from conformance.training.test_training import CONFIG
from shared.config import GPTConfig, TrainConfig, load_preset, preset_names
from shared.protocol import Backend, Model

DTYPE = "float64"
SIZES = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd", "n_inner")
CONSTANTS = ("optimizer", "beta1", "beta2", "epsilon", "weight_decay", "grad_clip")
"""The settings of an optimizer, except the learning rate."""


def architecture(preset: str) -> GPTConfig:
    """The preset's, in the size of the cases."""
    sizes = {name: getattr(BASE, name) for name in SIZES}
    return GPTConfig(**load_preset(preset).model | sizes)


def optimizer(preset: str) -> TrainConfig:
    """The preset's constants, and a learning rate for all.

    It is small because AdamW divides noise by noise plus ε where a gradient is truly zero, that of
    the key bias; one preset has an ε of 1e-9, and a step of 1e-2 would show it (3e-10).
    """
    values = dict(zip(CONSTANTS, constants(load_preset(preset).train), strict=True))
    return TrainConfig(**values, learning_rate=1e-4, schedule="constant", warmup_steps=0)


def presets_by_optimizer() -> list[str]:
    """The presets, those that share an optimizer in one: "numpy-course+numpy-course-bpe". Without
    those that have the constants of test_training.py: two hundred steps have judged these."""
    sharing: dict[tuple[object, ...], list[str]] = {}
    for name in preset_names():
        sharing.setdefault(constants(load_preset(name).train), []).append(name)
    sharing.pop(constants(CONFIG), None)
    return ["+".join(names) for names in sharing.values()]


def constants(config: TrainConfig) -> tuple[object, ...]:
    return tuple(getattr(config, name) for name in CONSTANTS)


@pytest.fixture
def case(preset: str) -> Case:
    """The architecture of a preset, or of the first of several."""
    return Case(f"preset {preset}", architecture(preset.partition("+")[0]))


@pytest.fixture
def judge(recorder: Recorder, case: Case, not_offered: set[str]) -> Judge:
    return Judge(recorder.ledger, case.name, DTYPE, not_offered)


@pytest.fixture
def models(backends: dict[str, Backend], recorder: Recorder, case: Case) -> dict[str, Model]:
    """The same weights in every backend. Read-only: tests that train build their own."""
    return {name: recorder.panel.model(name, case, DTYPE) for name in backends}


@pytest.fixture
def batch(case: Case) -> tuple[np.ndarray, np.ndarray]:
    return random_batch(case.config)


@pytest.mark.parametrize("preset", preset_names())
def test_logits_of_presets(models: dict[str, Model], batch: tuple, judge: Judge) -> None:
    judge.agree("logits", judge.each(models, lambda model: model.logits(batch[0])))


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.needs("grads")
def test_gradients_of_presets(models: dict[str, Model], batch: tuple, judge: Judge) -> None:
    """Loss and gradients, from one call."""
    both = judge.each(models, lambda model: model.loss_and_grads(*batch))
    judge.agree("loss", {name: float(loss) for name, (loss, _) in both.items()})
    judge.tensors_agree("gradients", {name: grads for name, (_, grads) in both.items()}, models)


@pytest.mark.parametrize("preset", presets_by_optimizer())
@pytest.mark.needs("trainer")
def test_a_step_of_presets(
    backends: dict[str, Backend], preset: str, case: Case, judge: Judge
) -> None:
    """One step, on one block: loss and norm of the gradient, the weights and the moments after."""
    config = optimizer(preset.partition("+")[0])
    case = replace(case, config=replace(case.config, n_layer=1))
    weights, batch = random_weights(case), random_batch(case.config)
    models = judge.each(backends, lambda backend: backend.build(case.config, weights, dtype=DTYPE))
    trainers = judge.each(models, lambda model: model.trainer(config))
    results = judge.each(trainers, lambda trainer: trainer.step(*batch))
    states = judge.each(trainers, lambda trainer: trainer.state())
    check = {"adamw": "AdamW, 1 step", "sgd": "SGD, 1 step"}[config.optimizer]
    results_agree(results, "step 1", judge)
    letters = {"m", "v"} if config.optimizer == "adamw" else set()
    assert all(set(state.moments) == letters for state in states.values())
    states_agree(check, states, {}, models, "step 1", judge)
