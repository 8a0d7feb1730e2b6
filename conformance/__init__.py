"""The specification, as tests. Backends are known here by the protocol of shared/backend.py only."""
