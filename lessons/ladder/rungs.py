"""The rungs, from the embedding to the last token of a text."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from conformance.cases import BASE, Case
from conformance.judge import backward_order
from conformance.limits import limit_of
from lessons.ladder.hints import HINTS, Hint
from lessons.ladder.subject import Subject
from shared.config import SampleConfig, TrainConfig
from shared.taps import tap_names

# GPT-2's block with biases everywhere; lm_head is not tied, so that its gradient can be seen alone.
MAIN = Case("ladder", BASE)
TIED = Case("tied, no biases", replace(BASE, tie_weights=True, bias=False))
ORIGINAL = Case(
    "original Transformer",
    replace(BASE, norm="post", activation="relu", position="sinusoidal"),
)
LARGE = Case("large", BASE, large=True)

CONSTANT = TrainConfig(learning_rate=0.1, schedule="constant", warmup_steps=0, grad_clip=0.0)
SGD = replace(CONSTANT, optimizer="sgd")
ADAMW = replace(CONSTANT, learning_rate=1e-2, epsilon=1e-3, weight_decay=0.2)
TWENTY = TrainConfig(steps=20, warmup_steps=3, learning_rate=1e-2, min_lr=1e-3)

WINDOW = BASE.block_size


@dataclass(frozen=True)
class Rung:
    """One step: some values that must equal the reference's."""

    section: str
    name: str
    names: tuple[str, ...]
    """The values, in the order in which they are computed."""
    look: Callable[[Subject, str], Any]
    limit: float
    shape: str = ""
    """Names of the axes."""
    inside: bool = False
    """Whether it needs a backend that can be looked into."""

    @property
    def help(self) -> Hint:
        return HINTS[self.section, self.name]


SHAPES = {
    **dict.fromkeys(("embed", "ln_1", "attn.y", "attn", "ln_2", "mlp", "ln_f"), "B T C"),
    **{f"attn.{name}": "B H T D" for name in "qkv"},
    **{f"attn.{name}": "B H T S" for name in ("scores", "weights")},
    **dict.fromkeys(("mlp.fc", "mlp.act"), "B T F"),
    **dict.fromkeys(("logits", "probs"), "B T V"),
}


def axes(tap: str) -> str:
    """The names of a tap's axes; by default the stream's."""
    parts = tap.split(".")
    return SHAPES.get(".".join(parts[2:] if parts[0] == "h" else parts), "B T C")


def taps(section: str, name: str, names: tuple[str, ...], case: Case = MAIN) -> Rung:
    def look(subject: Subject, tap: str) -> Any:
        return subject.trace(case)[tap]

    shape = axes(names[0]) if len(names) == 1 else ""
    return Rung(section, name, names, look, limit_of("taps", "float64"), shape)


def forward() -> list[Rung]:
    """Tap by tap; the second block, which is nothing new, in one step."""
    names = tap_names(MAIN.config)
    second = tuple(name for name in names if name.startswith("h.1"))
    rungs = [taps("forward", name, (name,)) for name in names if name not in second]
    at = next(i for i, rung in enumerate(rungs) if rung.name == "ln_f")
    return [*rungs[:at], taps("forward", "h.1", second), *rungs[at:]]


def loss(section: str, name: str, case: Case = MAIN) -> Rung:
    def look(subject: Subject, _: str) -> float:
        return subject.loss(case)

    return Rung(section, name, ("the loss",), look, limit_of("loss", "float64"))


def grads(section: str, name: str, names: tuple[str, ...], case: Case = MAIN) -> Rung:
    def look(subject: Subject, parameter: str) -> Any:
        return subject.grads(case)[parameter]

    return Rung(section, name, names, look, limit_of("gradients", "float64"))


def gradients() -> list[Rung]:
    """From the loss backwards: layer by layer through the last block, then the first at once."""
    groups: dict[str, list[str]] = {}
    for parameter in backward_order(MAIN.config):
        module = parameter.removeprefix("transformer.").removesuffix(".weight")
        module = module.removesuffix(".bias")
        groups.setdefault("h.0" if module.startswith("h.0") else module, []).append(parameter)
    return [grads("gradients", module, tuple(names)) for module, names in groups.items()]


def optimizer() -> list[Rung]:
    """Clipping, with SGD, which is given; then AdamW, from its moments to twenty steps."""

    def norm(subject: Subject, _: str) -> float:
        return subject.training(MAIN, replace(SGD, grad_clip=0.5), 1)[0].grad_norm

    def state(config: TrainConfig, steps: int, part: str) -> Callable[[Subject, str], Any]:
        def look(subject: Subject, parameter: str) -> Any:
            after = subject.training(MAIN, config, steps)[1]
            return (after.weights if part == "weights" else after.moments[part])[parameter]

        return look

    def rung(name: str, config: TrainConfig, part: str, check: str = "SGD, 1 step") -> Rung:
        steps = 20 if check == "AdamW, 20 steps" else 1
        names, limit = tuple(backward_order(MAIN.config)), limit_of(check, "float64")
        return Rung("optimizer", name, names, state(config, steps, part), limit)

    return [
        Rung("optimizer", "norm", ("the norm",), norm, limit_of("SGD, 1 step", "float64")),
        rung("clip", replace(SGD, grad_clip=0.5), "weights"),
        rung("no clip", replace(SGD, grad_clip=1000.0), "weights"),
        rung("clip off", SGD, "weights"),
        rung("m", ADAMW, "m", "AdamW, 1 step"),
        rung("v", ADAMW, "v", "AdamW, 1 step"),
        rung("AdamW, 1 step", ADAMW, "weights", "AdamW, 1 step"),
        rung("AdamW, 20 steps", TWENTY, "weights", "AdamW, 20 steps"),
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
    limit = limit_of("logits", "float64")
    return [
        text("greedy", replace(inside, temperature=0.0), 3),
        text("seeded", replace(inside, temperature=1.3), 1),
        text("top-k", replace(inside, temperature=1.5, top_k=5), 1),
        text("top-p", replace(inside, temperature=1.5, top_k=9, top_p=0.7), 1),
        Rung("sampling", "cache", ("logits",), in_two, limit, "1 T V", inside=True),
        Rung("sampling", "cached", ("positions computed",), positions, 0.0, inside=True),
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


RUNGS = [
    *forward(),
    loss("loss", "loss"),
    *gradients(),
    *optimizer(),
    *sampling(),
    *variants(),
]
