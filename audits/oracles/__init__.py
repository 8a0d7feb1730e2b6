"""The backends compared with independent programs: `nox -s oracles`. The conformance suite shows
that the backends compute the same function. These tests show that it is the right one, and so find
errors that all three share."""
