"""The trained model itself, so that the pages can run it: docs/_static/live.js."""

import base64
from dataclasses import asdict
from typing import Any

import numpy as np

from docs.data import Producer
from docs.producers import trained
from shared.commands.next_tokens import show_token

PROMPT = "Enter Ann.\nAnn:"
"""What the box on the first page begins with."""


def measure() -> dict[str, Any]:
    """Its weights as a checkpoint has them, float32, little-endian; and its tokens."""
    checkpoint, tokenizer = trained.trained()
    tokens = range(tokenizer.vocab_size)
    return {
        "run": trained.RUN_NAME,
        "prompt": PROMPT,
        "config": asdict(checkpoint.config),
        "vocabulary": [tokenizer.piece(token).decode() for token in tokens],
        "shown": [show_token(tokenizer, token) for token in tokens],
        "weights": {
            name: {
                "shape": list(value.shape),
                "base64": base64.b64encode(np.asarray(value, "<f4").tobytes()).decode(),
            }
            for name, value in checkpoint.weights.items()
        },
    }


PRODUCER = Producer("live", "the trained model, for your browser", measure)
