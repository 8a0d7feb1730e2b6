"""The life of models, trainers and generators: used more than once, side by side, while training.

Everything here concerns one backend alone and holds bit for bit. Messages name the state that two
objects share, or that an object wrongly keeps.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from itertools import combinations, islice
from types import FrameType

import numpy as np
import pytest

from conformance.cases import random_weights
from conformance.decoding.test_decoding import same_text
from conformance.judge import Judge
from conformance.recorder import Recorder
from conformance.subject import Backends, Subject
from conformance.training.test_optimizers import ADAMW, SGD
from shared.config import SampleConfig
from shared.protocol import Model, Trainer, TrainState
from shared.schedule import learning_rate

OPTIMIZERS = {"adamw": ADAMW, "sgd": SGD}
GREEDY = SampleConfig(temperature=0.0, max_new_tokens=14)
DRAWN = SampleConfig(temperature=1.3, max_new_tokens=14, seed=4)

pytestmark = [pytest.mark.needs("trainer"), pytest.mark.cases("gpt2", "original")]


def prompt(subject: Subject, length: int = 4) -> np.ndarray:
    return subject.batch(9)[0][0, :length].copy()


def steps(subject: Subject, trainer: Trainer, first: int, last: int) -> list[object]:
    """Steps `first` to `last` − 1, each on a batch of its own."""
    return [trainer.step(*subject.batch(step)) for step in range(first, last)]


def everything(model: Model, subject: Subject) -> dict[str, object]:
    """All outputs of a model for one batch and one prompt, in shapes that are already compiled."""
    tokens, targets = subject.batch(5)
    return {
        "weights": model.weights(),
        "logits": model.logits(tokens),
        "loss": model.loss(tokens, targets),
        "loss_and_grads": model.loss_and_grads(tokens, targets),
        "greedy text": list(map(int, model.generate(prompt(subject), GREEDY))),
        "drawn text": list(map(int, model.generate(prompt(subject), DRAWN))),
    }


# A trainer and its model share one state.


@pytest.mark.cases("gpt2", "original", "dropout")
@pytest.mark.needs("grads", "generate")
@pytest.mark.fills("trained model")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_model_is_the_trained_one(subject: Subject, optimizer: str) -> None:
    """After three steps, the model gives the results of a new one with the same state: it validates
    and samples with the new weights, even if it was used before."""
    model = subject.build()
    everything(model, subject)
    trainer = model.trainer(OPTIMIZERS[optimizer])
    steps(subject, trainer, 0, 3)
    expected = everything(subject.build(trainer.state().weights), subject)
    message = "after three steps the model and one built from trainer.state().weights differ"
    subject.same("trained model", expected, everything(model, subject), message)


@pytest.mark.cases("dropout")
@pytest.mark.needs("grads", "generate")
@pytest.mark.fills("only training drops")
def test_only_training_drops(subject: Subject) -> None:
    """Before a step with dropout, after one that an exception (as of Ctrl-C) ended in its middle,
    and after a whole one, a model gives the results of one without dropout."""

    def interrupt(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name.startswith("cross_entropy"):
            raise KeyboardInterrupt

    case = replace(subject.case, config=replace(subject.case.config, dropout=0.0))
    model, undropped = subject.build(), replace(subject, case=case)
    trainer = model.trainer(ADAMW)
    for when in ("before", "after a part of", "after"):
        expected = everything(undropped.build(model.weights()), undropped)
        message = f"{when} a step, a model with dropout and one without differ"
        subject.same("only training drops", expected, everything(model, subject), message)
        sys.setprofile(interrupt if when == "before" else None)
        with suppress(KeyboardInterrupt):
            trainer.step(*subject.batch())
        sys.setprofile(None)


@pytest.mark.fills("resume")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_state_before_the_first_step(subject: Subject, optimizer: str) -> None:
    """A new state has the model's weights and zero moments, and loading it changes nothing."""
    given = random_weights(subject.case)
    weights = {key: value.astype(subject.weight_dtype) for key, value in given.items()}
    zeros = {key: np.zeros_like(value) for key, value in weights.items()}
    moments = {"m": zeros, "v": zeros} if optimizer == "adamw" else {}
    trainer, used = (subject.trainer(OPTIMIZERS[optimizer]) for _ in range(2))
    state = trainer.state()
    subject.same("resume", TrainState(0, weights, moments), state, "the state at step 0")
    steps(subject, used, 3, 5)
    used.load_state(state)
    message = "load_state(state at step 0) left a used trainer with another state"
    subject.same("resume", state, used.state(), message)
    message = "steps after load_state(state at step 0) into a used trainer"
    subject.same("resume", steps(subject, trainer, 0, 3), steps(subject, used, 0, 3), message)
    subject.same("resume", trainer.state(), used.state(), message)


@pytest.mark.cases("gpt2", "original", "erf", "dropout")
@pytest.mark.fills("resume", "results kept", "inputs kept")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resuming_is_going_on(subject: Subject, optimizer: str) -> None:
    """At steps 1 and 3, a new trainer and one that was used before continue from the state exactly
    like the trainer that it came from. Loading does not change the state, and later edits of its
    arrays have no effect."""
    config = OPTIMIZERS[optimizer]
    unbroken, used = (subject.trainer(config) for _ in range(2))
    steps(subject, used, 7, 9)
    for k, end in ((1, 3), (3, 6)):
        steps(subject, unbroken, unbroken.state().step, k)
        state = unbroken.state()
        kept = deepcopy(state)
        model = subject.build(random_weights(subject.case, seed=1))
        trainers = {"a new trainer": model.trainer(config), "a used trainer": used}
        for which, trainer in trainers.items():
            given = deepcopy(kept)
            trainer.load_state(given)
            subject.same("inputs kept", kept, given, "load_state changed its state")
            message = f"load_state at step {k} left {which} with another state"
            subject.same("resume", kept, trainer.state(), message)
            overwrite([given.weights, given.moments])
            message = f"{which} keeps references to the arrays given to load_state at step {k}"
            subject.same("inputs kept", kept, trainer.state(), message)
        rates = [learning_rate(config, step) for step in range(k, end)]
        results = steps(subject, unbroken, k, end)
        assert [result.learning_rate for result in results] == rates, "learning rates"
        subject.same("results kept", kept, state, "a state changed by later steps")
        for which, trainer in trainers.items():
            message = f"steps {k + 1} to {end} by {which} after load_state"
            subject.same("resume", results, steps(subject, trainer, k, end), message)
            subject.same("resume", unbroken.state(), trainer.state(), message)
        message = f"after load_state at step {k} the model is not the trainer's"
        weights = trainers["a new trainer"].state().weights
        subject.same("trained model", weights, model.weights(), message)


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("resume")
def test_a_second_trainer_begins_anew(subject: Subject) -> None:
    """On a trained model, a second trainer starts from its weights, at step 0, without moments."""
    model = subject.build()
    steps(subject, model.trainer(ADAMW), 0, 2)
    again = subject.build(model.weights()).trainer(ADAMW)
    second = model.trainer(ADAMW)
    subject.same("resume", again.state(), second.state(), "a second trainer's state")
    expected, found = (steps(subject, trainer, 0, 2) for trainer in (again, second))
    subject.same("resume", expected, found, "steps of a second trainer")


# Side by side.


@pytest.mark.cases("gpt2", "original", "dropout")
@pytest.mark.dtypes("float64")
@pytest.mark.needs("grads", "generate")
@pytest.mark.fills("interleaved")
def test_two_of_each_know_nothing_of_each_other(subject: Subject) -> None:
    """Two models, their trainers and generators give the same results in turns as each alone."""
    config = replace(subject.case.config, block_size=17, dropout=0.4, n_layer=1)
    case = subject.case if subject.case.name == "gpt2" else replace(subject.case, config=config)
    other = replace(subject, case=case)

    def life(subject: Subject, seed: int, first: int) -> Iterator[object]:
        model = subject.build(random_weights(subject.case, seed))
        trainer = model.trainer(replace(ADAMW, seed=seed))
        text = model.generate(prompt(subject, 2 + first), DRAWN)
        yield model.weights()  # both are built before one is used
        for step in range(first, first + 3):
            yield trainer.step(*subject.batch(step))
            yield int(next(text))
            yield model.loss_and_grads(*subject.batch(step))
            yield trainer.state()
        yield list(map(int, text))

    in_turns = zip(life(subject, 0, 0), life(other, 1, 3), strict=True)
    together = [list(of_one) for of_one in zip(*in_turns, strict=True)]
    alone = [list(life(subject, 0, 0)), list(life(other, 1, 3))]
    message = "two models used in turns share something: results unlike those of one alone"
    subject.same("interleaved", alone, together, message)


@pytest.mark.needs("generate")
@pytest.mark.fills("interleaved")
def test_two_generators_of_one_model(subject: Subject) -> None:
    """Two texts written in turns, with calls between their tokens, equal each written alone."""
    model, (tokens, targets) = subject.build(), subject.batch()
    prompts = prompt(subject), prompt(subject, 7)[::-1].copy()
    alone = [list(map(int, model.generate(begin, DRAWN))) for begin in prompts]
    texts = [model.generate(begin, DRAWN) for begin in prompts]
    together: list[list[int]] = [[], []]
    for _ in range(DRAWN.max_new_tokens):
        for text, written in zip(texts, together, strict=True):
            written.append(int(next(text)))
            model.logits(tokens)
            model.loss(tokens, targets)
    message = "two generators used in turns share a cache: texts unlike those of one alone"
    subject.same("interleaved", alone, together, message)


@pytest.mark.needs("generate", "decode")
@pytest.mark.fills("decoded logits", "interleaved")
def test_a_text_goes_on_with_the_new_weights(
    backends: Backends, recorder: Recorder, setting: tuple, judge: Judge
) -> None:
    """After a training step between two tokens, the next ones come from the new weights and the
    cached past in every backend; once the window has slid, from the new weights alone."""

    def write(name: str) -> tuple[list[int], list[np.ndarray]]:
        one = Subject(name, *setting, judge, recorder.panel)
        model = one.build()
        trainer = model.trainer(SGD)  # AdamW would magnify rounding
        text = model.decode(prompt(one), GREEDY)
        pairs = list(islice(text, 2))
        steps(one, trainer, 0, 2)
        pairs += islice(text, 2)
        steps(one, trainer, 2, 3)
        pairs += islice(text, 6)
        whole = np.array([*prompt(one), *(token for token, _ in pairs)])
        rest = [token for token, _ in text]  # 14 after a prompt of 4: beyond the window of 11
        built = one.build(model.weights())
        again = list(map(int, built.generate(whole, SampleConfig(4, temperature=0.0))))
        one.same("interleaved", again, rest, "past the window a text is one of the new weights")
        return [*(token for token, _ in pairs), *rest], [logits for _, logits in pairs]

    written = judge.each({name: name for name in backends}, write)
    logits = {name: np.stack(found) for name, (_, found) in written.items()}
    if judge.dtype == "float64":
        judge.agree("decoded logits", logits, "logits of a text while its model is trained")
    same_text(judge, {name: text for name, (text, _) in written.items()}, "while training")


# Again, and later.


@pytest.mark.needs("grads", "generate", "trace")
@pytest.mark.fills("repeated", "results kept")
def test_again_and_later(subject: Subject) -> None:
    """A second call gives the same bits, whatever was called in between. Returned arrays do not
    change while the model is used and trained, and the caller may overwrite them."""
    model, tokens = subject.build(), subject.batch()[0]

    def answers() -> dict[str, object]:
        decode = getattr(model, "decode", lambda *_: [])
        decoded = list(decode(prompt(subject), GREEDY))
        return everything(model, subject) | {"trace": model.trace(tokens), "decoded": decoded}

    first = answers()
    kept = deepcopy(first)
    for length in (5, 1):
        model.logits(tokens[:1, :length])
    model.loss(*subject.batch(1))
    second = answers()
    subject.same("repeated", kept, second, "a second call differs from the first")
    overwrite(second)
    subject.same("results kept", kept, answers(), "an edit of a result is seen later")
    trainer = model.trainer(ADAMW)
    state = trainer.state()
    state_kept = deepcopy(state)
    steps(subject, trainer, 0, 2)
    trainer.load_state(subject.trainer(ADAMW).state())
    answers()
    message = "a result that was handed out earlier changed when the model was trained"
    subject.same("results kept", kept, first, message)
    subject.same("results kept", state_kept, state, message)


def overwrite(found: object) -> None:
    """Change every array of a structure in place, as a caller may."""
    if isinstance(found, dict | list | tuple):
        for value in found.values() if isinstance(found, dict) else found:
            overwrite(value)
    elif isinstance(found, np.ndarray) and found.ndim and found.flags.writeable:
        found[...] = 7


@pytest.mark.dtypes("float64")
@pytest.mark.needs("trace")
@pytest.mark.fills("results kept")
def test_the_values_of_a_trace_share_no_memory(subject: Subject) -> None:
    trace = subject.build().trace(subject.batch()[0])
    for tap, other in combinations(trace, 2):
        shared = float(np.shares_memory(trace[tap], trace[other]))
        subject.holds("results kept", shared, f"{tap} and {other} share memory")
