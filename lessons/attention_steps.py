"""From averaging to self-attention, printed: `python -m lessons.attention_steps`.

The four steps are in the backends; the output is here. That steps 1, 2 and 3 are one function, and
step 4 a head of the model's attention, conformance/model/test_attention_steps.py proves.
"""

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from lessons.command import command
from lessons.printing import Lesson, write_number
from shared.commands.options import BackendName
from shared.commands.terminal import same_output_everywhere
from shared.errors import BackendError
from shared.protocol import AttentionStepsBackend, load_backend
from shared.taps import STEPS

# The example. Small whole numbers, so that you can check every mean in your head.
X = np.array([[1, 0], [3, 2], [2, 4], [-2, 2]], dtype=np.float64)  # [T, C]
# Of step 4: queries halve and swap the channels, keys halve them and turn the second one round,
# values are x itself. So the weights differ visibly, and y can be compared with that of step 3.
QUERIES = np.array([[0, 0.5], [0.5, 0]])  # [C, D]
KEYS = np.array([[0.5, 0], [0, -0.5]])
VALUES = np.eye(2)
TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Options:
    backend: BackendName = "numpy"
    """The backend to compute with."""


@command
def main(options: Options) -> int:
    backend = options.backend
    chosen = load_backend(backend)
    if not isinstance(chosen, AttentionStepsBackend):
        raise BackendError(f"backend {backend!r} has no attention_steps")
    weight = np.concatenate([QUERIES, KEYS, VALUES], axis=1)
    found = chosen.attention_steps(X[None], weight, np.zeros(weight.shape[1]))
    same_output_everywhere()
    lesson = Lesson()
    lesson.say(TEXTS["beginning"].format(backend, *X.shape))
    _show_averages(lesson, found)
    _show_attention(lesson, found)
    return 0


def _show_averages(lesson: Lesson, found: Mapping[str, np.ndarray]) -> None:
    """Steps 1 to 3. All numbers are the backend's."""
    loop, product, softmax, _ = STEPS
    x, scores = X[None], found[f"{softmax}.scores"]
    future = np.triu(np.ones(scores.shape, dtype=bool), k=1)
    masked = np.where(future, -np.inf, scores)
    shown: dict[str, dict[str, Any]] = {
        loop: {"x": x, "mean_in_channel_0": _sums(X[:, 0])},
        product: {"weights": found[f"{product}.weights"], "x": x},
        softmax: {"scores": scores, "masked": masked, "weights": found[f"{softmax}.weights"]},
    }
    for number, (step, matrices) in enumerate(shown.items(), start=1):
        lesson.heading(f"{number}  {step}")
        lesson.say(TEXTS[step]["say"])
        lesson.matrices(**matrices, y=found[f"{step}.y"])
        lesson.look(TEXTS[step]["look"])
    lesson.say("1 = 2 = 3: y is the same in all three.")


def _show_attention(lesson: Lesson, found: Mapping[str, np.ndarray]) -> None:
    T, D = len(X), QUERIES.shape[1]
    value = {name: found[f"self_attention.{name}"] for name in STEPS["self_attention"]}
    lesson.heading("4  self_attention")
    lesson.say(TEXTS["self_attention"]["say"].format(D=D))
    lesson.matrices(x=X[None], q=value["q"], k=value["k"], v=value["v"])
    lesson.say("")
    lesson.matrices(scores=value["scores"], weights=value["weights"], y=value["y"])
    last = value["weights"][0, -1]
    best = int(last.argmax())
    query, key = value["q"][0, -1].tolist(), value["k"][0, best].tolist()
    products = " + ".join(f"({a:g})({b:g})" for a, b in zip(query, key, strict=True))
    before, now, score = map(write_number, (1 / T, last[best], value["scores"][0, -1, best]))
    given = {"before": before, "now": now, "products": products, "score": score}
    lesson.look(TEXTS["self_attention"]["look"].format(**given, best=best, D=D))
    lesson.say("4 = CausalSelfAttention in model.py with one head and these weights.")


def _sums(values: Float[np.ndarray, " T"]) -> str:
    """How the means come about: "1", "(1 + 3) / 2" and so on, a line each."""
    lines = [f"{values[0]:g}"]
    for t in range(1, len(values)):
        terms = " + ".join(f"{value:g}" for value in values[: t + 1]).replace("+ -", "− ")
        lines.append(f"({terms}) / {t + 1}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
