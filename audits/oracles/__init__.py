"""The backends compared with independent programs, for shared errors: `nox -s oracles`."""
