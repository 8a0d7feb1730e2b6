"""Optional parts of a backend: the protocols of shared/protocol.py that it implements."""

from collections.abc import Mapping

import pytest

from conformance.judge import Judge
from shared.protocol import BACKENDS, Backend


def offering(backends: Mapping[str, Backend], protocol: type, judge: Judge) -> dict[str, Backend]:
    """The backends that implement `protocol`; the judge records the others as not offering it.
    Built-in backends always count as offering it, so that a missing part is a failure."""
    found = {
        name: backend
        for name, backend in backends.items()
        if name in BACKENDS or isinstance(backend, protocol)
    }
    judge.not_offered |= set(backends) - set(found)
    return found


def skip_not_offered(check: str, judge: Judge) -> None:
    """Skip a test that has nothing to compare. Its empty row does not count as passed."""
    judge.row(check)
    pytest.skip(f"{', '.join(sorted(judge.not_offered))}: {check} not offered")
