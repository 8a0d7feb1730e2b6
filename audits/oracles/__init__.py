"""The backends compared with independent programs: `nox -s oracles`.

The conformance suite proves that the backends are one function. These tests prove that it is the
right one: what all three get wrong alike, the suite cannot see.
"""
