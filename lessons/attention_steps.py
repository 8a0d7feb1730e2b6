"""From averaging to self-attention, printed: `python -m lessons.attention_steps`.

The four steps are in the backends; the output, and the checks between the steps, are here.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lessons.command import command
from lessons.printing import Lesson, write_number
from shared.commands.options import BackendName
from shared.commands.terminal import same_output_everywhere
from shared.config import GPTConfig
from shared.errors import BackendError
from shared.layout import tensor_shapes
from shared.protocol import AttentionStepsBackend, Backend, load_backend
from shared.taps import STEPS

LIMIT = 1e-10
"""Steps 1, 2 and 3 are one function: in float64 they differ by less, relative to the largest."""

# The example. Small whole numbers, so that you can check every mean in your head.
X = np.array([[1, 0], [3, 2], [2, 4], [-2, 2]], dtype=np.float64)  # [T, C]
# Of step 4: queries halve and swap the channels, keys halve them and turn the second one round,
# values are x itself. So the weights differ visibly, and y can be compared with that of step 3.
QUERIES = np.array([[0, 0.5], [0.5, 0]])  # [C, D]
KEYS = np.array([[0.5, 0], [0, -0.5]])
VALUES = np.eye(2)


@dataclass(frozen=True)
class Options:
    """The options of the lesson."""

    backend: BackendName = "numpy"
    """The backend to compute with."""


@command
def main(options: Options) -> int:
    """Show the four steps on a small example. Returns the exit status."""
    backend = options.backend
    chosen = load_backend(backend)
    if not isinstance(chosen, AttentionStepsBackend):
        raise BackendError(f"backend {backend!r} has no attention_steps")
    weight = np.concatenate([QUERIES, KEYS, VALUES], axis=1)
    found = chosen.attention_steps(X[None], weight, np.zeros(weight.shape[1]))
    averages = check_averages(backend, found)
    y, expected = found["self_attention.y"], one_head(chosen, weight)
    head = _check_equal(backend, "self_attention", y, "the model's attention", expected)
    same_output_everywhere()
    lesson = Lesson()
    lesson.say(
        f"From averaging to self-attention, computed by {backend}; the code is in "
        f"impls/{backend}/attention_steps.py. x is one text of T = {X.shape[0]} positions, one "
        f"per row, with C = {X.shape[1]} channels."
    )
    _show_averages(lesson, found, averages)
    _show_attention(lesson, found, head)
    return 0


def check_averages(backend: str, found: Mapping[str, np.ndarray]) -> float:
    """The largest relative difference between step 1 and steps 2 and 3.

    Raises `BackendError` if it is not within `LIMIT`: then one of them is no mean of the past.
    """
    first, *others = list(STEPS)[:3]
    return max(
        _check_equal(backend, step, found[f"{step}.y"], first, found[f"{first}.y"])
        for step in others
    )


def _check_equal(backend: str, step: str, y: np.ndarray, other: str, expected: np.ndarray) -> float:
    if y.shape != expected.shape:
        raise BackendError(f"{backend}: {step} has shape {y.shape}, {other} {expected.shape}")
    difference = np.abs(y - expected)
    error = float(difference.max() / np.abs(expected).max())
    if not error <= LIMIT:  # also true for NaN
        at = [int(i) for i in np.unravel_index(difference.argmax(), difference.shape)]
        raise BackendError(
            f"{backend}: {step} gives {y[tuple(at)]:g} at {at}, {other} {expected[tuple(at)]:g}; "
            f"they must be the same"
        )
    return error


def one_head(chosen: Backend, weight: Float[np.ndarray, "C E"]) -> Float[np.ndarray, "1 T D"]:
    """The output of the attention of the backend's own GPT for X.

    A post-norm block passes its input to the attention unchanged. So with X as token embeddings, no
    positions, and tokens 0, 1, 2 …, the attention's input is X.
    """
    T, C = X.shape
    config = GPTConfig(
        vocab_size=T, block_size=T, n_layer=1, n_head=1, n_embd=C, norm="post", bias=False
    )
    weights = {name: np.zeros(shape) for name, shape in tensor_shapes(config).items()}
    weights["transformer.wte.weight"] = X
    weights["transformer.h.0.attn.c_attn.weight"] = weight
    trace = chosen.build(config, weights, dtype="float64").trace(np.arange(T)[None])
    return trace["h.0.attn.y"]


def _show_averages(lesson: Lesson, found: Mapping[str, np.ndarray], error: float) -> None:
    """Steps 1 to 3. All numbers are the backend's; the sentences are about this example."""
    loop, product, softmax, _ = STEPS
    x = X[None]
    lesson.heading(f"1  {loop}")
    lesson.say("Every position takes the mean of itself and the past, one after the other.")
    lesson.matrices(x=x, mean_in_channel_0=_sums(X[:, 0]), y=found[f"{loop}.y"])
    lesson.look("the last row of y: the mean of all four rows of x. The first row is x itself.")

    lesson.heading(f"2  {product}")
    lesson.say(
        "The same as one product, weights @ x. The weights are a triangle of ones, each row "
        "divided by its sum."
    )
    lesson.matrices(weights=found[f"{product}.weights"], x=x, y=found[f"{product}.y"])
    lesson.look("the zeros: row t has them where position t may not look. Every row sums to 1.")

    scores = found[f"{softmax}.scores"]
    future = np.triu(np.ones(scores.shape, dtype=bool), k=1)
    lesson.heading(f"3  {softmax}")
    lesson.say(
        "The same weights out of a softmax. Every score is 0, the future is masked with −inf, and "
        "exp(−inf) is 0."
    )
    lesson.matrices(
        scores=scores,
        masked=np.where(future, -np.inf, scores),
        weights=found[f"{softmax}.weights"],
        y=found[f"{softmax}.y"],
    )
    lesson.look("the scores: all are equal, so is every weight. Other scores give another mean.")
    lesson.say(f"1 = 2 = 3: y is the same in all three ({_size(error)}).")


def _show_attention(lesson: Lesson, found: Mapping[str, np.ndarray], error: float) -> None:
    """Step 4."""
    T, D = len(X), QUERIES.shape[1]
    value = {name: found[f"self_attention.{name}"] for name in STEPS["self_attention"]}
    lesson.heading("4  self_attention")
    lesson.say(
        "Now the scores come from x. Every position has a query q (what it looks for), a key k "
        "(what it can be found by) and a value v (what it gives), each a product of x with weights "
        f"that are learned; here they are chosen. A score is q · k / √D, and D = {D}."
    )
    lesson.matrices(x=X[None], q=value["q"], k=value["k"], v=value["v"])
    lesson.say("")
    lesson.matrices(scores=value["scores"], weights=value["weights"], y=value["y"])
    last = value["weights"][0, -1]
    best = int(last.argmax())
    query, key = value["q"][0, -1].tolist(), value["k"][0, best].tolist()
    products = " + ".join(f"({a:g})({b:g})" for a, b in zip(query, key, strict=True))
    lesson.look(
        f"the last row of the weights: {write_number(1 / T)} each in step 3, now "
        f"{write_number(last[best])} for position {best} (the first is 0), whose key fits the "
        f"query best: ({products}) / √{D} = {write_number(value['scores'][0, -1, best])}. Here "
        "v = x, so y is still a mean of rows of x, but a weighted one."
    )
    lesson.say(
        f"4 = CausalSelfAttention in model.py with one head and these weights ({_size(error)})."
    )


def _size(error: float) -> str:
    if error == 0:
        return "to the last bit"
    return f"but for {error:.0e} of the largest number, which is rounding"


def _sums(values: Float[np.ndarray, " T"]) -> str:
    """How the means come about: "1", "(1 + 3) / 2" and so on, a line each."""
    lines = [f"{values[0]:g}"]
    for t in range(1, len(values)):
        terms = " + ".join(f"{value:g}" for value in values[: t + 1]).replace("+ -", "− ")
        lines.append(f"({terms}) / {t + 1}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
