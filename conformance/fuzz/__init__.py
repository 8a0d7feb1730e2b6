"""Random calls in random order, in all backends at once: `nox -s fuzz`."""
