"""The pages of docs/pages that have a title and nothing else."""

PAGES_TO_WRITE: set[str] = set()
"""Who writes one takes it out; tests/docs/test_docs.py then looks for all its parts."""
