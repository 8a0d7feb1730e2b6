"""Where every head of a trained model looks, as each of the three backends computes it."""

from itertools import combinations
from typing import Any, Final

import numpy as np

from conformance.limits import limit_of
from docs.data import Producer
from docs.producers import trained
from docs.producers.trained import Ids
from lessons.alone import run_alone
from lessons.attention import Maps, attention_maps
from lessons.command import ModelOptions
from shared.checkpoints.checkpoint import Checkpoint
from shared.commands.next_tokens import show_token
from shared.protocol import BACKENDS

SENTENCES = (
    "Two moons want the red star;",
    "Cal: A ship keeps my crow.",
    '"Roho tos wovosev lumo!"',
    "Enter Eve and Finn.",
)
"""In the style of the text that the model was trained on, each within its window."""
DTYPE: Final = "float64"


def measure() -> dict[str, Any]:
    """Every backend's attention weights of every sentence, layer and head."""
    checkpoint, tokenizer = trained.trained()
    texts = [tokenizer.encode(sentence) for sentence in SENTENCES]
    maps = {name: run_alone(maps_of, name, checkpoint, texts) for name in BACKENDS}
    sentences = []
    for number, ids in enumerate(texts):
        own = {name: found[number] for name, found in maps.items()}
        tokens = [show_token(tokenizer, token) for token in ids]
        weights = {name: shown(layers) for name, layers in own.items()}
        sentences.append({"tokens": tokens, "weights": weights, "apart": apart(own)})
    return {"dtype": DTYPE, "limit": limit_of("taps", DTYPE), "sentences": sentences}


def maps_of(backend: str, checkpoint: Checkpoint, texts: list[Ids]) -> list[Maps]:
    """The attention weights of every text, in float64."""
    options = ModelOptions(backend, dtype=DTYPE)
    return [attention_maps(options, checkpoint, ids) for ids in texts]


def shown(layers: Maps) -> list[list[list[list[float]]]]:
    """The weights by layer, head and token, with five digits, more than are ever shown; row t has
    t + 1 of them, without the future."""
    return [
        [
            [[float(f"{weight:.5g}") for weight in row[: t + 1]] for t, row in enumerate(head)]
            for head in layer
        ]
        for layer in layers
    ]


def apart(maps: dict[str, Maps]) -> list[list[dict[str, Any]]]:
    """By layer and head: the largest difference between two backends' weights, and which two."""
    pairs = list(combinations(maps, 2))
    # [pairs, L, H]; in the future all weights are 0, which counts too.
    differences = np.stack([np.abs(maps[a] - maps[b]).max((-2, -1)) for a, b in pairs])
    worst = differences.argmax(0)
    return [
        [{"largest": float(differences[k, i, j]), "pair": pairs[k]} for j, k in enumerate(row)]
        for i, row in enumerate(worst)
    ]


PRODUCER = Producer(
    "attention", "where the heads of a trained model look, in the three backends", measure
)
