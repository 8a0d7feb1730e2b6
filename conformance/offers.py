"""What a backend may offer besides its model: a protocol of shared/protocol.py that it fulfils."""

from collections.abc import Mapping

import pytest

from conformance.judge import Judge
from shared.protocol import BACKENDS, Backend


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


def skip_not_offered(check: str, judge: Judge) -> None:
    """Leave a test with nothing to compare, and an empty row: that is not to have passed."""
    judge.row(check)
    pytest.skip(f"{', '.join(sorted(judge.not_offered))}: {check} not offered")
