"""Guest backends, as users might bring them: files of a package `guest`."""

from pathlib import Path

HEALTHY = '''
from shared.protocol import load_backend

name = "guest"


class Guest:
    """A wrapper of the NumPy backend, without `generate`."""

    def __init__(self, model):
        self.model, self.config = model, model.config


def passed_on(method):
    return lambda self, *given: getattr(self.model, method)(*given)


for method in ("logits", "trace", "loss", "loss_and_grads", "weights", "trainer"):
    setattr(Guest, method, passed_on(method))


def build(config, weights, *, dtype="float32", device="cpu"):
    return Guest(load_backend("numpy").build(config, weights, dtype=dtype, device=device))
'''

# Modules of the package by name, and the lines that each adds to the healthy one.
CHANGES = {
    "healthy": "",
    # In the last block the scores are divided by D, not by its root. (Here: queries by the root.)
    "scaled_twice": """
def build(config, weights, *, dtype="float32", device="cpu"):
    last = f"transformer.h.{config.n_layer - 1}.attn.c_attn."
    changed = {key: value.copy() for key, value in weights.items()}
    for key in changed:
        if key.startswith(last):
            changed[key][..., : config.n_embd] /= (config.n_embd / config.n_head) ** 0.5
    return Guest(load_backend("numpy").build(config, changed, dtype=dtype, device=device))
""",
    "fast_path_only": """
Guest.logits = lambda self, tokens: self.model.logits(tokens) * 1.001
""",
    # Right in a fresh trainer. One that has made steps keeps its own count of them.
    "forgetful": """
def trainer(self, config):
    trainer = self.model.trainer(config)
    load = trainer.load_state

    def load_state(state):
        own = trainer.count
        load(state)
        trainer.count = own or state.step

    trainer.load_state = load_state
    return trainer


Guest.trainer = trainer
""",
    "raises": """
def logits(self, tokens):
    raise RuntimeError("out of order")


Guest.logits = logits
""",
    "boastful": """
capabilities = ("trace", "grads", "trainer", "generate")
""",
    "modest": """
capabilities = ()
""",
    "mistaken": """
capabilities = ("gradients",)
""",
    "without_framework": """
import no_such_framework
""",
}


def write_guests(directory: Path) -> None:
    """Make the package under a directory, from which it can be imported."""
    package = directory / "guest"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    for name, change in CHANGES.items():
        (package / f"{name}.py").write_text(HEALTHY + change, encoding="utf-8")
