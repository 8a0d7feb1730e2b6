"""Every method of the protocol, as rules of a state machine that calls them in any order."""

import copy
from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, precondition, rule

from conformance.cases import Case, random_weights
from conformance.compare import Disagreement
from conformance.fuzz import drawn
from conformance.fuzz.caller import Caller, Kept, Models, States, Trainers, check_same
from conformance.fuzz.drawn import Ids
from shared.config import SampleConfig, TrainConfig
from shared.schedule import learning_rate

CHECKS = {"logits": "logits", "trace": "taps", "loss": "loss"}
"""By method, the check of the suite whose limit applies."""
FLOORS = {"m": 1e-2, "v": 1e-4}
"""The usual size of moments: decaying means of gradients below 1, and of their squares."""


class Machine(Caller):
    """The backends give the same answers after any sequence of calls."""

    models, trainers, states, texts = map(Bundle, ("models", "trainers", "states", "texts"))

    # Models

    @rule(target=models, seed=drawn.seeds)
    def build(self, seed: int) -> Models:
        return self.built(random_weights(Case("fuzz", self.setting.config), seed))

    @rule(target=models, states=states, of=drawn.backends)
    def build_from(self, states: States, of: str) -> Models:
        """All backends can start from the weights that one has trained."""
        return self.built(states.of(of).weights)

    def built(self, weights: dict[str, np.ndarray]) -> Models:
        """A model holds a copy of the weights, rounded to its precision."""
        config, dtype = self.setting.config, self.setting.dtype
        given = lambda: (config, copy.deepcopy(weights))  # noqa: E731
        each = self.ask("build", self.panel.backends, given, dtype=dtype)
        rounded = {key: value.astype(dtype) for key, value in weights.items()}
        for name, found in self.ask("weights", each).items():
            check_same(f"weights of {name}", found, rounded)
        return Models(each)

    @rule(models=models)
    def weights(self, models: Models) -> None:
        self.agree("SGD, 1 step", self.ask("weights", models.each), models)

    @rule(models=models, ids=drawn.batches, method=st.sampled_from(list(CHECKS)))
    def evaluate(self, models: Models, ids: Ids, method: str) -> None:
        given = ids.two if method == "loss" else ids.one
        self.agree(CHECKS[method], self.ask(method, models.each, given), models)

    @rule(models=models, ids=drawn.batches)
    def loss_and_grads(self, models: Models, ids: Ids) -> None:
        found = self.ask("loss_and_grads", models.each, ids.two)
        self.agree("loss", {name: loss for name, (loss, _) in found.items()}, models)
        self.agree("gradients", {name: grads for name, (_, grads) in found.items()}, models)

    # Training

    @rule(target=trainers, models=models, config=drawn.trainings)
    def trainer(self, models: Models, config: TrainConfig) -> Trainers:
        """Several trainers of one model share its weights, and each has its own moments."""
        return Trainers(models, self.ask("trainer", models.each, lambda: (config,)), config)

    @rule(trainers=trainers, ids=drawn.batches, times=st.integers(1, 3))
    def step(self, trainers: Trainers, ids: Ids, times: int) -> None:
        for _ in range(times):
            done = self.ask("step", trainers.each, ids.two)
            for check, number in (("loss", "loss"), ("gradients", "grad_norm")):
                found = {name: getattr(result, number) for name, result in done.items()}
                self.agree(check, found, trainers.models)
            rate = learning_rate(trainers.config, trainers.steps)
            rates = {name: result.learning_rate for name, result in done.items()}
            if set(rates.values()) != {rate}:
                raise Disagreement(f"the learning rate is {rate}, not {rates}")
            trainers.steps += 1
            if trainers.config.optimizer == "adamw":
                rounding = float(np.finfo(self.setting.dtype).eps)
                trainers.models.drift += rate * rounding / trainers.config.epsilon

    @rule(target=states, trainers=trainers)
    def state(self, trainers: Trainers) -> States:
        found = self.ask("state", trainers.each)
        letters = ["m", "v"] if trainers.config.optimizer == "adamw" else []
        for name, state in found.items():
            if (state.step, sorted(state.moments)) != (trainers.steps, letters):
                raise Disagreement(f"{name}: step {state.step}, moments {sorted(state.moments)}")
        weights = {name: state.weights for name, state in found.items()}
        self.agree("SGD, 1 step", weights, trainers.models)
        for letter in letters:
            moments = {name: state.moments[letter] for name, state in found.items()}
            self.agree("gradients", moments, trainers.models, floor=FLOORS[letter])
        return States(copy.deepcopy(found), trainers.config)

    @rule(trainers=trainers, states=states, of=drawn.backends)
    def load_state(self, trainers: Trainers, states: States, of: str) -> None:
        """All backends can load the state of one, whether or not they have taken steps."""
        if states.config.optimizer != trainers.config.optimizer:
            return
        state = states.of(of)
        self.ask("load_state", trainers.each, lambda: (copy.deepcopy(state),))
        trainers.steps = state.step
        for name, found in self.ask("state", trainers.each).items():
            if found.step != state.step:
                raise Disagreement(f"{name}: step {found.step} after load_state of {state.step}")
            check_same(f"state of {name} after load_state", found, state)

    # Text. Not in float32, where rounding may decide which token is drawn.

    @precondition(lambda self: self.setting.dtype == "float64")
    @rule(target=texts, models=models, prompt=drawn.prompts, sampling=drawn.samplings)
    def generate(self, models: Models, prompt: Ids, sampling: SampleConfig) -> dict[str, Iterator]:
        return self.ask("generate", models.each, lambda: (*prompt.one(), sampling))

    @rule(texts=texts, count=st.integers(1, 4))
    def take(self, texts: dict[str, Iterator], count: int) -> None:
        """A text continues where it stopped, even if others were written in between. If the model
        was trained, it continues with the new weights and the cached keys and values."""
        for _ in range(count):
            tokens = self.ask("__next__", texts, allowed=(StopIteration,))
            if len(set(tokens.values())) > 1:
                raise Disagreement(f"the next token differs: {tokens}")

    # The caller

    @precondition(lambda self: self.kept)
    @rule(kept=drawn.answers, first=st.integers(0, 1))
    def overwrite(self, kept: Kept, first: int) -> None:
        """Arrays passed in or returned belong to the caller."""
        kept.overwrite(first)
        self.check_kept()
