"""The rungs, from the embedding to the last token of a text."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from conformance.cases import BASE, Case
from conformance.judge import backward_order
from conformance.limits import limit_of
from lessons.ladder.subject import Subject
from shared.config import SampleConfig, TrainConfig
from shared.taps import tap_names

# GPT-2's block with biases everywhere; lm_head is not tied, so that its gradient can be seen alone.
MAIN = Case("ladder", BASE)
TIED = Case("tied, no biases", replace(BASE, tie_weights=True, bias=False))
ORIGINAL = Case(
    "original Transformer", replace(BASE, norm="post", activation="relu", position="sinusoidal")
)
LARGE = Case("large", BASE, large=True)

CONSTANT = TrainConfig(learning_rate=0.1, schedule="constant", warmup_steps=0, grad_clip=0.0)
SGD = replace(CONSTANT, optimizer="sgd")
CLIPPED = replace(SGD, grad_clip=0.5)
ADAMW = replace(CONSTANT, learning_rate=1e-2, epsilon=1e-3, weight_decay=0.2)
TWENTY = TrainConfig(steps=20, warmup_steps=3, learning_rate=1e-2, min_lr=1e-3)

WINDOW = BASE.block_size


class Hint(NamedTuple):
    """The help for a rung."""

    about: str
    where: str
    hint: str


def read_hints(text: str) -> Iterator[tuple[tuple[str, str], Hint]]:
    """Every hint of hints.md, under the section and the name of its rung. There is a heading for
    each section, one below it for each rung, and then two paragraphs."""
    for part in text.split("\n# ")[1:]:
        section, *rungs = part.split("\n## ")
        for rung in rungs:
            heading, where, hint = rung.strip().split("\n\n")
            name, about = heading.split(": ", 1)
            yield (section.strip(), name), Hint(about, where, " ".join(hint.split()))


HINTS = dict(read_hints(Path(__file__).with_name("hints.md").read_text(encoding="utf-8")))


class Rung(NamedTuple):
    """One step: some values that must equal the reference's."""

    section: str
    name: str
    names: tuple[str, ...]
    """The values, in the order in which they are computed."""
    look: Callable[[Subject, str], Any]
    limit: float

    @property
    def help(self) -> Hint:
        return HINTS[self.section, self.name]


def taps(section: str, name: str, names: tuple[str, ...], case: Case = MAIN) -> Rung:
    limit = limit_of("taps", "float64")
    return Rung(section, name, names, lambda subject, tap: subject.trace(case)[tap], limit)


def forward() -> list[Rung]:
    """Tap by tap, but some together; the second block, which is nothing new, in one step."""

    def name_of(tap: str) -> str:
        if tap.endswith((".q", ".k", ".v")) and tap.startswith("h.0"):
            return "h.0.attn.q, k, v"
        if tap.startswith(("h.0.ln_2", "h.0.mlp")):
            return "h.0.mlp"
        if tap.startswith("h.1"):
            return "h.1"
        return "logits" if tap in ("ln_f", "logits", "probs") else tap

    return grouped(partial(taps, "forward"), tap_names(MAIN.config), name_of)


def grouped(
    rung: Callable[[str, tuple[str, ...]], Rung], values: list[str], name_of: Callable[[str], str]
) -> list[Rung]:
    """A rung for all values of one name."""
    groups: dict[str, list[str]] = {}
    for value in values:
        groups.setdefault(name_of(value), []).append(value)
    return [rung(name, tuple(members)) for name, members in groups.items()]


def loss(section: str, name: str, case: Case = MAIN) -> Rung:
    limit = limit_of("loss", "float64")
    return Rung(section, name, ("the loss",), lambda subject, _: subject.loss(case), limit)


def grads(section: str, name: str, names: tuple[str, ...], case: Case = MAIN) -> Rung:
    limit = limit_of("gradients", "float64")
    return Rung(section, name, names, lambda subject, of: subject.grads(case)[of], limit)


def gradients() -> list[Rung]:
    """From the loss backwards: part by part through the last block, then the first at once."""

    def name_of(parameter: str) -> str:
        name = parameter.removeprefix("transformer.")
        if name.startswith("h.1"):
            return "h.1.mlp" if "mlp" in name or "ln_2" in name else "h.1.attn"
        return "h.0" if name.startswith("h.0") else name.partition(".")[0]

    return grouped(partial(grads, "gradients"), backward_order(MAIN.config), name_of)


def optimizer() -> list[Rung]:
    """Clipping, with SGD, which is given; then AdamW, from its moments to twenty steps."""
    parameters = tuple(backward_order(MAIN.config))

    def moment(subject: Subject, name: str) -> Any:
        letter, _, parameter = name.partition(" of ")
        return subject.training(MAIN, ADAMW, 1)[1].moments[letter][parameter]

    def rung(name: str, config: TrainConfig, steps: int = 1, check: str = "SGD, 1 step") -> Rung:
        def weight(subject: Subject, parameter: str) -> Any:
            return subject.training(MAIN, config, steps)[1].weights[parameter]

        return Rung("optimizer", name, parameters, weight, limit_of(check, "float64"))

    def norm(subject: Subject, _: str) -> float:
        return subject.training(MAIN, CLIPPED, 1)[0].grad_norm

    moments = tuple(f"{letter} of {name}" for letter in "mv" for name in parameters)
    return [
        Rung("optimizer", "norm", ("the norm",), norm, limit_of("SGD, 1 step", "float64")),
        rung("clip", CLIPPED),
        rung("no clip", replace(SGD, grad_clip=1000.0)),
        rung("clip off", SGD),
        Rung("optimizer", "moments", moments, moment, limit_of("AdamW, 1 step", "float64")),
        rung("AdamW, 1 step", ADAMW, 1, "AdamW, 1 step"),
        rung("AdamW, 20 steps", TWENTY, 20, "AdamW, 20 steps"),
    ]


def sampling() -> list[Rung]:
    """Choosing tokens, then the cache."""

    def text(name: str, config: SampleConfig, length: int) -> Rung:
        config = replace(config, max_new_tokens=config.max_new_tokens - length)
        names = (f"text after {length} tokens",)
        return Rung("sampling", name, names, lambda s, _: s.text(MAIN, config, length), 0.0)

    def in_two(subject: Subject, _: str) -> Any:
        return subject.logits_in_two(MAIN, 4)

    def positions(subject: Subject, _: str) -> Any:
        return subject.positions(MAIN, SampleConfig(max_new_tokens=WINDOW - 3, temperature=0), 3)

    inside = SampleConfig(max_new_tokens=WINDOW, seed=2)
    return [
        text("greedy", replace(inside, temperature=0.0), 3),
        text("seeded", replace(inside, temperature=1.3), 1),
        text("top-k", replace(inside, temperature=1.5, top_k=5), 1),
        text("top-p", replace(inside, temperature=1.5, top_k=9, top_p=0.7), 1),
        Rung("sampling", "cache", ("logits",), in_two, limit_of("logits", "float64")),
        Rung("sampling", "cached", ("positions computed",), positions, 0.0),
        text("past the window", SampleConfig(max_new_tokens=3 * WINDOW, seed=3), 5),
    ]


def variants() -> list[Rung]:
    """The other models of GPTConfig, and numbers that overflow."""
    section = "variants"
    names = tap_names(ORIGINAL.config)
    return [
        taps(section, "large numbers", ("h.0.attn.weights", "probs"), LARGE),
        loss(section, "large loss", LARGE),
        taps(section, "no biases", tuple(tap_names(TIED.config)), TIED),
        grads(section, "tied", tuple(backward_order(TIED.config)), TIED),
        taps(section, "sinusoidal", ("embed",), ORIGINAL),
        taps(section, "post-norm", tuple(names[1:]), ORIGINAL),
        grads(section, "post-norm grads", tuple(backward_order(ORIGINAL.config)), ORIGINAL),
    ]


RUNGS = [*forward(), loss("loss", "loss"), *gradients(), *optimizer(), *sampling(), *variants()]
