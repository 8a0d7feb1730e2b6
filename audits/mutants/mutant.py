"""A mutant: one named bug, as replacements in the sources of the backends."""

from dataclasses import dataclass, field

from shared.protocol import BACKENDS

# The chapters of the suite that test a kind of mutant. In NumPy and PyTorch a mutant also runs
# against the chapters that belong to no kind; not in JAX, where compiling them takes long.
FORWARD = ("test_forward", "test_softmax", "test_loss", "test_gradients", "test_causality")
OPTIMIZER = ("test_optimizers", "test_bigram")
DECODING = ("test_decoding", "test_sampling")
LONG_TEXTS = ("test_decoding.py::test_logits",)
ADAPTER = ("test_forward", "test_input_validation", "test_bigram", "test_inputs")
COUNTS = ("test_bigram",)
SHAPES = ("test_shapes",)
DROPPING = (
    *("test_optimizers.py::test_sgd", "test_optimizers.py::test_a_batch_in_parts"),
    *("test_life.py::test_only_training", "test_life.py::test_resuming"),
    "test_life.py::test_two_of_each",
)
PROCESSES = ("test_processes",)
PRECISION = ("test_mixed_precision",)
LIFE = ("test_life", "test_inputs", "test_shapes.py::test_a_batch")
OF_THEMES = (*FORWARD, *OPTIMIZER, *DECODING, "test_input_validation", "test_inputs", "test_life")
"""Chapters that test one kind of mutant. Other kinds skip them: a wrong LayerNorm changes every
optimizer step and every text, which tests neither of them and takes most of the time."""
CHAPTERS = {
    **{"forward": FORWARD, "optimizer": OPTIMIZER, "decoding": DECODING, "adapter": ADAPTER},
    **{"long_texts": LONG_TEXTS, "counts": COUNTS, "shapes": SHAPES, "life": LIFE},
    **{"dropping": DROPPING, "processes": PROCESSES, "precision": PRECISION},
}
"""By the names that entries give them."""


@dataclass(frozen=True)
class Edit:
    """Replace `old`, which occurs `times` times in a file of a backend, by `new`."""

    file: str
    old: str
    new: str
    times: int = 1


Edits = dict[str, tuple[Edit, ...]]
"""By backend, in the order they are made."""


@dataclass(frozen=True)
class Source:
    """A public project with this mistake."""

    repository: str
    thread: str
    """An issue or pull request, as "#12"."""
    what: str
    """The mistake made there, in one line."""


@dataclass(frozen=True)
class Mutant:
    """A realistic mistake, and its replacements in each backend that can have it."""

    name: str
    story: str
    """The real mistake it stands for, in one line."""
    edits: Edits = field(default_factory=dict)
    chapters: tuple[str, ...] = FORWARD
    """Files of the suite, or checks in them, that test this kind of mutant."""
    seen: tuple[Source, ...] = ()
    """From audits/mutants/entries/museum.toml."""


HEALTHY = Mutant("healthy", "a copy without bugs, which must not fail", dict.fromkeys(BACKENDS, ()))
