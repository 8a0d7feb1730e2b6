"""Every limit of the suite, in one place. PLACEHOLDER"""

LIMITS = {
    "weights kept": {"float64": 0.0, "float32": 0.0},
    "logits": {"float64": 1e-10, "float32": 1e-3},
    "taps": {"float64": 1e-10, "float32": 1e-3},
    "future has no influence": {"float64": 0.0, "float32": 0.0},
    "no gradient from the past": {"float64": 0.0, "float32": 0.0},
    "weights on the future": {"float64": 0.0, "float32": 0.0},
    "softmax rows sum to 1": {"float64": 1e-10, "float32": 1e-3},
    "loss": {"float64": 1e-10, "float32": 1e-3},
    "loss from probs": {"float64": 1e-10, "float32": 1e-3},
    "gradients": {"float64": 1e-10, "float32": 1e-3},
    "finite differences": {"float64": 1e-6},
    "AdamW, 1 step": {"float64": 1e-10, "float32": 1e-3},
    "AdamW, 20 steps": {"float64": 1e-9, "float32": 1e-3},
    "SGD, 1 step": {"float64": 1e-10, "float32": 1e-3},
    "SGD, 20 steps": {"float64": 1e-10, "float32": 1e-3},
    "relay": {"float64": 1e-9},
    "bigram": {"float64": 1e-10},
    "same text": {"float64": 0.0, "float32": 0.0},
    "cached decoding": {"float64": 0.0, "float32": 0.0},
}


def limit_of(check: str, dtype: str) -> float:
    """The limit of a check in one precision. A check without one cannot run."""
    return LIMITS[check][dtype]
