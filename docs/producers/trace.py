"""One short sentence through a trained model: every named value, as each backend computes it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from conformance.compare import relative_error
from conformance.limits import limit_of
from docs.data import Producer
from docs.producers import trained
from docs.producers.trained import Ids
from lessons.alone import run_alone
from lessons.walk import kind_of, tap_sentences
from shared.checkpoints.checkpoint import Checkpoint
from shared.commands.next_tokens import show_token
from shared.config import GPTConfig
from shared.protocol import BACKENDS, load_backend

TEXT = "Enter Eve."
"""In the style of the training text, and short enough for a page."""
DTYPE = "float64"

SHAPES = {
    **dict.fromkeys(("attn.q", "attn.k", "attn.v"), "BHTD"),
    **dict.fromkeys(("attn.scores", "attn.weights"), "BHTT"),
    **dict.fromkeys(("mlp.fc", "mlp.act"), "BTF"),
    **dict.fromkeys(("logits", "probs"), "BTV"),
}
"""The shapes of the values by kind, unless they have the stream's."""
STREAM = "BTC"
Traces = Mapping[str, Mapping[str, np.ndarray]]


def measure() -> dict[str, Any]:
    """Every backend's intermediate values, from the text to the probabilities."""
    checkpoint, tokenizer = trained.trained()
    ids = tokenizer.encode(TEXT)
    traces = {name: run_alone(trace_of, name, checkpoint, ids) for name in BACKENDS}
    return {
        "dtype": DTYPE,
        "limit": limit_of("taps", DTYPE),
        "config": asdict(checkpoint.config),
        "text": TEXT,
        "tokens": [show_token(tokenizer, token) for token in ids.tolist()],
        "vocabulary": [show_token(tokenizer, token) for token in range(tokenizer.vocab_size)],
        "taps": describe(checkpoint.config, traces),
    }


def trace_of(backend: str, checkpoint: Checkpoint, ids: Ids) -> dict[str, np.ndarray]:
    """All taps of one text in float64, B = 1."""
    model = load_backend(backend).build(checkpoint.config, checkpoint.weights, dtype=DTYPE)
    return model.trace(ids[None])


def describe(config: GPTConfig, traces: Traces) -> dict[str, dict[str, Any]]:
    """Every tap: its shape, what it is, and its values by backend, for pictures: with five digits,
    or the name of a backend that agrees. Comparisons use every digit."""
    sentences = tap_sentences(config)
    described = {}
    for tap, value in next(iter(traces.values())).items():
        kind = kind_of(tap)
        values = {name: trace[tap] for name, trace in traces.items()}
        described[tap] = {
            "kind": kind,
            "letters": SHAPES.get(kind, STREAM),
            "shape": list(value.shape),
            "sentence": sentences[kind],
            "values": pictured(values),
            "backends": compared(values),
        }
    return described


def pictured(values: Mapping[str, np.ndarray]) -> dict[str, list[float] | str]:
    """The values of each backend, rounded and flat; or the name of a backend with the same."""
    found: dict[str, list[float] | str] = {}
    for name, value in values.items():
        rounded = [float(f"{number:.5g}") for number in value.ravel().tolist()]
        found[name] = next((other for other, known in found.items() if known == rounded), rounded)
    return found


def compared(values: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """By backend: smallest, largest and mean value, and the largest difference to another."""
    found = {}
    for name, own in values.items():
        apart = {other: np.abs(own - theirs) for other, theirs in values.items() if other != name}
        other = max(apart, key=lambda other: float(apart[other].max()))
        place = np.unravel_index(int(apart[other].argmax()), own.shape)
        found[name] = {
            **{"min": float(own.min()), "max": float(own.max()), "mean": float(own.mean())},
            "apart": {
                "from": other,
                "largest": float(apart[other].max()),
                "relative": relative_error(own, values[other]),
                "at": [int(index) for index in place],
                "here": float(own[place]),
                "there": float(values[other][place]),
            },
        }
    return found


PRODUCER = Producer(
    "trace", "a sentence through the trained model, value by value, in the three backends", measure
)
