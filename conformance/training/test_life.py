"""The life of models, trainers and generators: used more than once, side by side, while training.

Everything here concerns one backend alone and holds bit for bit. Messages name the state that two
objects share, or that an object wrongly keeps.
"""

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice

import numpy as np
import pytest

from conformance.cases import Case, random_batch, random_weights
from conformance.judge import Judge
from conformance.training.test_optimizers import ADAMW, SGD
from shared.config import SampleConfig, TrainConfig
from shared.protocol import Backend, Model, Trainer, TrainState
from shared.schedule import learning_rate

OPTIMIZERS = {"adamw": ADAMW, "sgd": SGD}
GREEDY = SampleConfig(temperature=0.0, max_new_tokens=14)
DRAWN = SampleConfig(temperature=1.3, max_new_tokens=14, seed=4)

pytestmark = pytest.mark.needs("trainer")


class Workshop:
    """Builds models of one backend, case and precision, always from the same weights."""

    def __init__(self, backend: Backend, case: Case, dtype: str) -> None:
        self.backend, self.case, self.dtype = backend, case, dtype

    def model(self, weights: dict[str, np.ndarray] | None = None) -> Model:
        given = random_weights(self.case) if weights is None else weights
        return self.backend.build(self.case.config, given, dtype=self.dtype)

    def trainer(self, config: TrainConfig = ADAMW) -> Trainer:
        return self.model().trainer(config)

    def batch(self, step: int = 0) -> tuple[np.ndarray, np.ndarray]:
        return random_batch(self.case.config, seed=step)

    def prompt(self, length: int = 4) -> np.ndarray:
        return random_batch(self.case.config, seed=9)[0][0, :length].copy()

    def steps(self, trainer: Trainer, first: int, last: int) -> list[object]:
        """Steps `first` to `last` − 1, each on a batch of its own."""
        return [trainer.step(*self.batch(step)) for step in range(first, last)]


@pytest.fixture
def shop(backends: dict[str, Backend], backend_name: str, case: Case, dtype: str) -> Workshop:
    return Workshop(backends[backend_name], case, dtype)


def everything(model: Model, shop: Workshop) -> dict[str, object]:
    """All outputs of a model for one batch and one prompt. Cheap: these shapes are compiled."""
    tokens, targets = shop.batch(5)
    return {
        "weights": model.weights(),
        "logits": model.logits(tokens),
        "loss": model.loss(tokens, targets),
        "loss_and_grads": model.loss_and_grads(tokens, targets),
        "greedy text": list(map(int, model.generate(shop.prompt(), GREEDY))),
        "drawn text": list(map(int, model.generate(shop.prompt(), DRAWN))),
    }


# A trainer and its model are one.


@pytest.mark.cases("gpt2", "original")
@pytest.mark.needs("grads", "generate")
@pytest.mark.fills("trained model")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_model_is_the_trained_one(
    shop: Workshop, backend_name: str, judge: Judge, optimizer: str
) -> None:
    """After three steps the model gives the results of a new one with the same state: it validates
    and samples with the new weights, even if it was used before."""
    model = shop.model()
    everything(model, shop)
    trainer = model.trainer(OPTIMIZERS[optimizer])
    shop.steps(trainer, 0, 3)
    built = shop.model(trainer.state().weights)
    judge.same(
        "trained model",
        backend_name,
        everything(built, shop),
        everything(model, shop),
        "after three steps the model and one built from trainer.state().weights differ",
    )


@pytest.mark.cases("gpt2", "original")
@pytest.mark.fills("resume")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_state_before_the_first_step(
    shop: Workshop, backend_name: str, judge: Judge, optimizer: str
) -> None:
    """It has the model's weights and zero moments, and loading it changes nothing."""
    weights = {key: value.astype(shop.dtype) for key, value in random_weights(shop.case).items()}
    zeros = {key: np.zeros_like(value) for key, value in weights.items()}
    moments = {"m": zeros, "v": zeros} if optimizer == "adamw" else {}
    expected = TrainState(0, weights, moments)
    trainer = shop.trainer(OPTIMIZERS[optimizer])
    state = in_order(trainer.state(), expected)
    judge.same("resume", backend_name, expected, state, "the state at step 0")
    used = shop.trainer(OPTIMIZERS[optimizer])
    shop.steps(used, 3, 5)
    used.load_state(state)
    message = "load_state(state at step 0) left a used trainer with another state"
    judge.same("resume", backend_name, state, in_order(used.state(), state), message)
    message = "steps after load_state(state at step 0) into a used trainer"
    judge.same("resume", backend_name, shop.steps(trainer, 0, 3), shop.steps(used, 0, 3), message)
    judge.same("resume", backend_name, trainer.state(), used.state(), message)


def in_order(state: TrainState, like: TrainState) -> TrainState:
    """The state with its names in the order of another: the order carries no meaning."""

    def sort(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {key: found[key] for key in [*wanted, *(set(found) - set(wanted))] if key in found}

    moments = {key: sort(state.moments[key], like.weights) for key in sorted(state.moments)}
    return TrainState(state.step, sort(state.weights, like.weights), moments)


@pytest.mark.cases("gpt2", "original", "erf")
@pytest.mark.fills("resume", "results kept", "inputs kept")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resuming_is_going_on(
    shop: Workshop, backend_name: str, judge: Judge, optimizer: str
) -> None:
    """At step 1 and step 3: a new trainer, and one that was used before, continue from the state
    like the trainer that it came from. Loading does not change the state, and later edits of its
    arrays have no effect."""
    config = OPTIMIZERS[optimizer]
    unbroken = shop.trainer(config)
    used = shop.trainer(config)
    shop.steps(used, 7, 9)
    for k, end in ((1, 3), (3, 6)):
        shop.steps(unbroken, unbroken.state().step, k)
        state = unbroken.state()
        kept = deepcopy(state)
        model = shop.model(random_weights(shop.case, seed=1))
        fresh = model.trainer(config)
        for trainer, which in ((fresh, "a new trainer"), (used, "a used trainer")):
            given = deepcopy(kept)
            trainer.load_state(given)
            judge.same("inputs kept", backend_name, kept, given, "load_state changed its state")
            message = f"load_state at step {k} left {which} with another state"
            judge.same("resume", backend_name, kept, trainer.state(), message)
            spoil(given)
            message = f"{which} keeps references to the arrays given to load_state at step {k}"
            judge.same("inputs kept", backend_name, kept, trainer.state(), message)
        rates = [learning_rate(config, step) for step in range(k, end)]
        results = shop.steps(unbroken, k, end)
        assert [result.learning_rate for result in results] == rates, "learning rates"
        judge.same("results kept", backend_name, kept, state, "a state changed by later steps")
        for trainer, which in ((fresh, "a new trainer"), (used, "a used trainer")):
            message = f"steps {k + 1} to {end} by {which} after load_state"
            judge.same("resume", backend_name, results, shop.steps(trainer, k, end), message)
            judge.same("resume", backend_name, unbroken.state(), trainer.state(), message)
        message = f"after load_state at step {k} the model is not the trainer's"
        weights = fresh.state().weights
        judge.same("trained model", backend_name, weights, model.weights(), message)


def spoil(state: TrainState) -> None:
    """Overwrite every array of a state."""
    for arrays in (state.weights, *state.moments.values()):
        for array in arrays.values():
            array[...] = 1e6


@pytest.mark.cases("gpt2")
@pytest.mark.dtypes("float64")
@pytest.mark.fills("resume")
def test_a_second_trainer_begins_anew(shop: Workshop, backend_name: str, judge: Judge) -> None:
    """On a model that was trained already: from its weights, at step 0, with no memory."""
    model = shop.model()
    shop.steps(model.trainer(ADAMW), 0, 2)
    again = shop.model(model.weights()).trainer(ADAMW)
    second = model.trainer(ADAMW)
    judge.same("resume", backend_name, again.state(), second.state(), "a second trainer's state")
    message = "steps of a second trainer"
    judge.same("resume", backend_name, shop.steps(again, 0, 2), shop.steps(second, 0, 2), message)


# Side by side.


@pytest.mark.cases("gpt2", "original")
@pytest.mark.dtypes("float64")
@pytest.mark.needs("grads", "generate")
@pytest.mark.fills("interleaved")
def test_two_of_each_know_nothing_of_each_other(
    shop: Workshop, backend_name: str, judge: Judge
) -> None:
    """Two models with other weights, their trainers and generators, used in turns, give what each
    gives alone."""
    others = random_weights(shop.case, seed=1)

    def life(weights: dict[str, np.ndarray], first: int) -> Iterator[object]:
        model = shop.model(weights)
        trainer = model.trainer(ADAMW)
        text = model.generate(shop.prompt(2 + first), DRAWN)
        for step in range(first, first + 3):
            yield trainer.step(*shop.batch(step))
            yield int(next(text))
            yield model.loss_and_grads(*shop.batch(step))
            yield trainer.state()
        yield list(map(int, text))

    alone = [list(life(random_weights(shop.case), 0)), list(life(others, 3))]
    together: list[list[object]] = [[], []]
    for a, b in zip(life(random_weights(shop.case), 0), life(others, 3), strict=True):
        together[0].append(a)
        together[1].append(b)
    message = "two models used in turns share something: results unlike those of one alone"
    judge.same("interleaved", backend_name, alone, together, message)


@pytest.mark.cases("gpt2", "original")
@pytest.mark.needs("generate")
@pytest.mark.fills("interleaved")
def test_two_generators_of_one_model(shop: Workshop, backend_name: str, judge: Judge) -> None:
    """Two texts written in turns, with traces, losses and other texts between their tokens, equal
    the texts written one after the other."""
    model, (tokens, targets) = shop.model(), shop.batch()
    prompts = shop.prompt(4), shop.prompt(7)[::-1].copy()
    alone = [list(map(int, model.generate(prompt, DRAWN))) for prompt in prompts]
    texts = [model.generate(prompt, DRAWN) for prompt in prompts]
    together: list[list[int]] = [[], []]
    for _ in range(DRAWN.max_new_tokens):
        for text, written in zip(texts, together, strict=True):
            written.append(int(next(text)))
            model.logits(tokens)
            model.loss(tokens, targets)
    message = "two generators used in turns share a cache: texts unlike those of one alone"
    judge.same("interleaved", backend_name, alone, together, message)


@pytest.mark.cases("gpt2", "original")
@pytest.mark.needs("generate", "decode")
@pytest.mark.fills("decoded logits", "interleaved")
def test_a_text_goes_on_with_the_new_weights(
    backends: dict[str, Backend], case: Case, dtype: str, judge: Judge
) -> None:
    """After a training step between two tokens, the next ones come from the new weights and the
    cached past, in every backend; once the window has slid, from the new weights alone."""

    def write(backend: Backend) -> tuple[list[int], list[np.ndarray], list[int]]:
        shop = Workshop(backend, case, dtype)
        model = shop.model()
        trainer = model.trainer(SGD)  # AdamW would magnify rounding
        text = model.decode(shop.prompt(), GREEDY)
        pairs = list(islice(text, 2))
        shop.steps(trainer, 0, 2)
        pairs += islice(text, 2)
        shop.steps(trainer, 2, 3)
        pairs += islice(text, 6)
        whole = np.array([*shop.prompt(), *(token for token, _ in pairs)])
        rest = [
            token for token, _ in text
        ]  # 14 tokens after a prompt of 4: beyond the window of 11
        built = shop.model(model.weights())
        again = list(map(int, built.generate(whole, SampleConfig(4, temperature=0.0))))
        message = "past the window a text is one of the new weights alone"
        judge.same("interleaved", judge.asked or "", again, rest, message)
        return [token for token, _ in pairs], [logits for _, logits in pairs], rest

    written = judge.each(backends, write)
    logits = {name: np.stack(found) for name, (_, found, _) in written.items()}
    if dtype == "float64":
        judge.agree("decoded logits", logits, "logits of a text while its model is trained")
    first, *others = written
    for name in others:
        error = float(
            written[name][0] != written[first][0] or written[name][2] != written[first][2]
        )
        judge.holds("same text", name, error, f"written while training, unlike {first}'s")
    judge.holds("same text", first, 0.0, "")


# Again, and later.


@pytest.mark.cases("gpt2", "original")
@pytest.mark.needs("grads", "generate", "trace")
@pytest.mark.fills("repeated", "results kept")
def test_again_and_later(shop: Workshop, backend_name: str, judge: Judge) -> None:
    """A second call gives the same bits, after any calls in between. Returned arrays do not change
    while the model is used and trained, and the caller may overwrite them."""
    model, tokens = shop.model(), shop.batch()[0]

    def answers() -> dict[str, object]:
        return everything(model, shop) | {
            "trace": model.trace(tokens),
            "decoded": list(model.decode(shop.prompt(), GREEDY))
            if hasattr(model, "decode")
            else [],
        }

    first = answers()
    kept = deepcopy(first)
    for length in (5, 1):
        model.logits(tokens[:1, :length])
    model.loss(*shop.batch(1))
    second = answers()
    judge.same("repeated", backend_name, kept, second, "a second call differs from the first")
    overwrite(second)
    judge.same("results kept", backend_name, kept, answers(), "an edit of a result is seen later")
    trainer = model.trainer(ADAMW)
    state = trainer.state()
    state_kept = deepcopy(state)
    shop.steps(trainer, 0, 2)
    trainer.load_state(shop.trainer().state())
    answers()
    message = "a result that was handed out earlier changed when the model was trained"
    judge.same("results kept", backend_name, kept, first, message)
    judge.same("results kept", backend_name, state_kept, state, message)


def overwrite(found: object) -> None:
    """Change every array of a structure in place, as a caller may."""
    if isinstance(found, dict):
        for value in found.values():
            overwrite(value)
    elif isinstance(found, list | tuple):
        for value in found:
            overwrite(value)
    elif isinstance(found, np.ndarray) and found.ndim and found.flags.writeable:
        found[...] = 7


@pytest.mark.cases("gpt2", "original")
@pytest.mark.dtypes("float64")
@pytest.mark.needs("trace")
@pytest.mark.fills("results kept")
def test_the_values_of_a_trace_share_no_memory(
    shop: Workshop, backend_name: str, judge: Judge
) -> None:
    """Overwriting one tap must not change another."""
    trace = shop.model().trace(shop.batch()[0])
    taps = list(trace)
    for i, tap in enumerate(taps):
        for other in taps[i + 1 :]:
            shared = float(np.shares_memory(trace[tap], trace[other]))
            judge.holds("results kept", backend_name, shared, f"{tap} and {other} share memory")
