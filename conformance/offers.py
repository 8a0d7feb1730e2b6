"""What a backend may offer besides its model: a protocol of shared/backend.py that it fulfils."""

from collections.abc import Mapping

from conformance.judge import Judge
from shared.backend import BACKENDS, Backend


def offering(backends: Mapping[str, Backend], protocol: type, judge: Judge) -> dict[str, Backend]:
    """The backends that fulfil `protocol`; the others do not offer it, which the judge notes.

    A built-in one counts as offering, so that what it has lost is a failure.
    """
    found = {
        name: backend
        for name, backend in backends.items()
        if name in BACKENDS or isinstance(backend, protocol)
    }
    judge.not_offered |= set(backends) - set(found)
    return found
