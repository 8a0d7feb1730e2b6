"""A mutant: one named bug, as replacements in the sources of the backends."""

from dataclasses import dataclass
from typing import Self

from shared.protocol import BACKENDS

# The chapters of the suite that test a kind of mutant. In NumPy and PyTorch a mutant also runs
# against the chapters that belong to no kind; not in JAX, where compiling them takes long.
FORWARD = ("test_forward", "test_softmax", "test_loss", "test_gradients", "test_causality")
OPTIMIZER = ("test_optimizers", "test_bigram")
DECODING = ("test_decoding", "test_sampling")
ADAPTER = ("test_forward", "test_input_validation", "test_bigram", "test_inputs")
SHAPES = ("test_shapes",)
LIFE = ("test_life", "test_inputs", "test_shapes.py::test_a_batch")


@dataclass(frozen=True)
class Edit:
    """Replace `old`, which occurs `times` times in a file of a backend, by `new`."""

    file: str
    old: str
    new: str
    times: int = 1


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
    edits: dict[str, tuple[Edit, ...]]
    """Backend: the replacements."""
    chapters: tuple[str, ...] = FORWARD
    """Files of the suite, or checks in them, that test this kind of mutant."""
    seen: tuple[Source, ...] = ()
    """From audits/mutants/entries/museum.py."""
    generic: bool = False
    """Made by an operator: runs against the whole suite, until the first check fails."""

    @classmethod
    def of(
        cls,
        name: str,
        story: str,
        chapters: tuple[str, ...] = FORWARD,
        /,
        **edits: Edit | tuple[Edit, ...],
    ) -> Self:
        """A mutant from one edit or several for each backend; `everywhere` is for all three."""
        everywhere = edits.pop("everywhere", None)
        chosen = dict.fromkeys(BACKENDS, everywhere) if everywhere else {}
        planted = {
            backend: (edit,) if isinstance(edit, Edit) else edit
            for backend, edit in (chosen | edits).items()
            if edit is not None
        }
        return cls(name, story, planted, chapters)
