"""What a backend computes against what an outside program does, and the errors that are left."""

from dataclasses import dataclass

import numpy as np

from conformance.limits import limit_of
from conformance.truths.truth import check_truth

LIMIT = limit_of("logits", "float64")
"""1e-10, for everything in float64. Rounding leaves less than 1e-12: the table at the end shows how
much. The mildest bug that was planted to try it, erf for tanh in GELU, leaves 1e-4. AdamW needs no
wider limit here than SGD: it is given the very gradients, so that what is noise in them is the same
noise on both sides."""


@dataclass
class Verdict:
    """Judges one backend, and remembers the largest error of every check."""

    backend: str
    errors: dict[tuple[str, str], float]
    """By check and backend; shared by all tests of a run."""

    def agrees(
        self,
        check: str,
        found: np.ndarray | float,
        truth: np.ndarray | float,
        source: str,
        what: str = "",
        limit: float = LIMIT,
    ) -> None:
        """`found`, of the backend, is `truth`, of `source`. Raises `Disagreement` if not."""
        found, truth = (np.array([x]) if isinstance(x, float) else x for x in (found, truth))
        error = check_truth(self.backend, found, truth, limit, what or check, source)
        key = (f"{source}: {check}", self.backend)
        self.errors[key] = max(error, self.errors.get(key, 0.0))

    def all_agree(
        self,
        check: str,
        found: dict[str, np.ndarray],
        truth: dict[str, np.ndarray],
        source: str,
        when: str = "",
    ) -> None:
        """The same names on both sides, and every tensor agrees, in the order of `truth`."""
        odd = sorted(set(found) ^ set(truth))
        assert not odd, f"{check}: {self.backend} lacks or invents {', '.join(odd)}"
        for name, value in truth.items():
            self.agrees(check, found[name], value, source, f"{check} of {name}{when}")
